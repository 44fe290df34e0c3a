import json

import numpy as np
import onnxruntime
import pytest
import torch
from pydantic import ValidationError
from scipy.special import softmax

from tests.training.test_run import config, run
from training.config import Cyborg
from training.errors import ModelError
from training.export import ExportedDetector, write_onnx
from training.model.backbones import build
from training.model.objective import compute_loss
from training.reporting.finished_runs import about_maps, read_run
from training.reporting.model_card import as_markdown, card_of
from training.run import open_run
from training.run_folder import RunFolder

VIT = "vit_tiny_patch16_224"


def network(name=VIT, side=64, model_map="attention", **options):
    torch.manual_seed(0)
    return build(name, image_size=side, pooling="mean", model_map=model_map, **options)


def images(n=3, side=64):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


class TestTheMap:
    def test_it_is_that_of_numpy(self):
        backbone = network().double().eval()
        seen = {}
        layer = backbone.net.blocks[-1].attn
        layer.register_forward_pre_hook(lambda _layer, inputs: seen.update(tokens=inputs[0].detach()))
        backbone(images().double())
        got = backbone.attention.detach().numpy()
        weight, bias = layer.qkv.weight.detach().numpy(), layer.qkv.bias.detach().numpy()
        wanted = []
        for tokens in seen["tokens"].numpy():
            query, key, _ = (
                (tokens @ weight.T + bias).reshape(len(tokens), 3, layer.num_heads, -1).transpose(1, 2, 0, 3)
            )
            attention = softmax(query @ key.transpose(0, 2, 1) / query.shape[-1] ** 0.5, axis=-1)
            wanted.append(16 * attention[:, 1:, 1:].mean(axis=(0, 1)).reshape(4, 4))
        np.testing.assert_allclose(got, wanted, rtol=1e-5)

    @pytest.mark.parametrize("name", [VIT, "vit_small_patch16_dinov3", "eva02_tiny_patch14_224"])
    def test_logits_are_those_of_the_network_without_it(self, name):
        side = 56 if "patch14" in name else 64
        with torch.no_grad():
            plain, watched = (
                network(name, side, kind).eval()(images(side=side))[1] for kind in ("cam", "attention")
            )
        torch.testing.assert_close(plain, watched, rtol=1e-4, atol=1e-5)

    def test_a_guided_map_has_a_gradient_to_the_trunk(self):
        backbone = network().train()
        features, logits = backbone(images())
        human = torch.zeros(3, 4, 4)
        human[:, :2] = 1
        loss = compute_loss(
            Cyborg(cross_entropy_weight=0),
            logits=logits,
            labels=torch.tensor([0, 1, 1]),
            features=features,
            weight=backbone.weight,
            human=human,
            present=torch.ones(3, dtype=torch.bool),
            attention=backbone.attention,
            model_map="attention",
        ).loss
        loss.backward()
        assert backbone.net.blocks[0].attn.qkv.weight.grad.abs().max() > 0
        assert backbone.head.weight.grad is None or (backbone.head.weight.grad == 0).all()

    def test_its_loss_is_that_of_the_scaled_attention(self):
        backbone = network().eval()
        features, logits = backbone(images())
        human = torch.rand(3, 4, 4)
        shared = {
            "labels": torch.tensor([0, 1, 1]),
            "present": torch.ones(3, dtype=torch.bool),
            "human": human,
        }
        terms = compute_loss(
            Cyborg(),
            logits=logits,
            features=features,
            weight=backbone.weight,
            attention=backbone.attention,
            model_map="attention",
            **shared,
        ).terms
        scaled = [(one - one.min()) / np.ptp(one) for one in backbone.attention.detach().numpy()]
        wanted = [
            ((a - (h - h.min()) / np.ptp(h)) ** 2).mean() for a, h in zip(scaled, human.numpy(), strict=True)
        ]
        assert terms["map"].item() == pytest.approx(np.mean(wanted), rel=1e-4)

    def test_the_exported_map_is_the_same(self, tmp_path):
        detector = ExportedDetector(network()).eval()
        write_onnx(detector, tmp_path / "m.onnx", side=64)
        pixels = 255 * images()
        with torch.no_grad():
            ours = detector(pixels)[3].numpy()
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
        theirs = dict(
            zip(
                (o.name for o in session.get_outputs()),
                session.run(None, {"images": pixels.numpy()}),
                strict=True,
            )
        )
        np.testing.assert_allclose(theirs["cam"], ours, atol=1e-3)


class TestRefusals:
    @pytest.mark.parametrize("name", ["cyborg_tiny", "mixer_s32_224"])
    def test_networks_without_attention_between_patches(self, name):
        with pytest.raises(ModelError, match="has no attention between its patches"):
            build(name, image_size=None if "mixer" in name else 64, model_map="attention")

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"objective": "attention"}, "guides a layer of its own"),
            ({"objective": {"name": "cyborg", "cam_class": "both"}}, 'leave out cam_class = "both"'),
            ({"cam_tensor": "released"}, 'leave out cam_tensor = "released"'),
            ({"freeze": True}, "which have no attention"),
        ],
    )
    def test_what_does_not_go_with_it(self, changes, reason):
        with pytest.raises(ValidationError, match=reason):
            config(map="attention", **changes)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "r"
    objective = {"name": "cyborg", "alpha": {"kind": "linear", "first": 0.9, "last": 0.3}}
    vit = {"architecture": VIT, "pooling": "mean", "image_size": 64}
    run(data, out, objective=objective, map="attention", epochs=1, **vit)
    return RunFolder(out)


class TestARun:
    def test_its_record_report_and_card_say_what_the_map_is(self, finished):
        assert finished.record()["network"]["map"] == "attention"
        assert about_maps([read_run(finished)]) == "attention of the last block"
        card = as_markdown(json.loads(json.dumps(card_of(finished))))
        assert "attention of the last block" in card
        assert "alpha linear 0.9 0.3 in place of two weights" in card
        assert (finished.maps / "index.csv").read_text().splitlines()[1].endswith("pooled,attention")

    def test_it_opens_with_the_same_map(self, finished):
        _, backbone = open_run(finished, device="cpu")
        assert backbone.model_map == "attention"
