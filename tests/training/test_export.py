import json

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.training.conftest import picture
from training.__main__ import app
from training.config import RunConfig, TrainingJob
from training.errors import RunError
from training.export import FILES, ExportedDetector, export_run, write_onnx
from training.model.backbones import build
from training.reporting.model_card import as_markdown, card_of
from training.run import open_run, run_job
from training.run_folder import RunFolder
from training.score import score_images


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A finished run that no test changes."""
    folder = tmp_path_factory.mktemp("runs") / "cyborg_tiny-cyborg-seed0"
    settings = {"architecture": "cyborg_tiny", "objective": "cyborg", "weights": "none", "device": "cpu"}
    config = RunConfig.model_validate(settings | {"epochs": 1, "batch_size": 4, "image_size": 32})
    list(run_job(TrainingJob(run=config, dataset=data, out=folder)))
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "model"
    assert export_run(run, folder) == list(FILES)
    return folder


def answers(path, images):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images}), strict=True))


class TestOnnx:
    @pytest.mark.parametrize("batch", [1, 3])
    def test_it_says_what_torch_says_map_and_all(self, run, exported, batch):
        images = np.random.default_rng(0).integers(0, 256, (batch, 3, 32, 32)).astype(np.float32)
        with torch.inference_mode():
            wanted = ExportedDetector(open_run(RunFolder(run), device="cpu")[1])(torch.from_numpy(images))
        found = answers(exported / "model.onnx", images)
        assert list(found) == ["logits", "score_sigmoid", "score_softmax", "cam"]
        for name, tensor in zip(found, wanted, strict=True):
            np.testing.assert_allclose(found[name], tensor.numpy(), atol=1e-4, err_msg=name)

    def test_it_says_of_an_image_what_score_says(self, run, exported, data):
        (scored,) = score_images(run, [data / "images/test001.png"], cams=None, device="cpu")
        images = scored.input_image.transpose(2, 0, 1)[None].astype(np.float32)
        found = answers(exported / "model.onnx", images)
        assert found["score_sigmoid"][0] == pytest.approx(scored.score_sigmoid, abs=1e-4)
        np.testing.assert_allclose(found["cam"][0], scored.cam, atol=1e-3)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "architecture", ["resnet18", "densenet121", "convnext_atto", "vit_tiny_patch16_224"]
    )
    def test_other_architectures_leave_the_house_too(self, tmp_path, architecture):
        pooling = "mean" if architecture.startswith("vit") else "own"
        detector = ExportedDetector(build(architecture, image_size=64, pooling=pooling)).eval()
        write_onnx(detector, tmp_path / "m.onnx", side=64)
        images = torch.rand(3, 3, 64, 64) * 255
        with torch.inference_mode():
            wanted = detector(images)
        for found, tensor in zip(answers(tmp_path / "m.onnx", images.numpy()).values(), wanted, strict=True):
            np.testing.assert_allclose(found, tensor.numpy(), atol=1e-3)


class TestWeights:
    def test_they_are_those_of_the_chosen_epoch(self, run, exported):
        net = open_run(RunFolder(run), device="cpu")[1].net
        stored = load_file(exported / "model.safetensors")
        assert stored.keys() == net.state_dict().keys()
        assert all(torch.equal(stored[name], value) for name, value in net.state_dict().items())


class TestCard:
    def test_its_chain_goes_back_to_the_study(self, run, exported):
        chain = json.loads((exported / "card.json").read_text())["chain"]
        dataset = RunFolder(run).record()["dataset"]
        assert (chain["dataset"], chain["map_set"], chain["study"]) == (dataset["id"], "m", "s")
        assert len(chain["weights_sha256"]) == 64

    def test_it_tells_numbers_limits_and_data(self, exported):
        text = (exported / "README.md").read_text()
        for word in ("ganA", "ganB", "sigmoid", "softmax", "16 | 8 | 8 | 15", "few: see the width", "Limits"):
            assert word in text

    def test_simulated_people_are_called_so(self, run):
        card = card_of(RunFolder(run))
        maps = {"annotations": 7, "simulated_annotations": 7}
        assert "**Simulated:** 7 of the 7" in as_markdown({**card, "data": {**card["data"], "maps": maps}})

    def test_what_is_unknown_is_said(self, run):
        card = card_of(RunFolder(run))
        assert "unknown" in as_markdown({**card, "data": {**card["data"], "maps": "unknown: gone"}})

    def test_no_name_breaks_its_tables(self, run):
        card = card_of(RunFolder(run))
        card["metrics"][0]["source"] = "a|b\n<script>`"
        assert "| a/b ‹script>' |" in as_markdown(card)


class TestRefusals:
    def test_nothing_is_written_over(self, run, exported):
        with pytest.raises(RunError, match="exists already"):
            export_run(run, exported)

    def test_a_run_that_has_not_finished(self, tmp_path):
        RunFolder(tmp_path / "r").begin({"config": {}, "dataset": {}})
        with pytest.raises(RunError, match="has not finished"):
            export_run(tmp_path / "r", tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_folder_that_is_no_run(self, tmp_path):
        result = CliRunner().invoke(app, ["export", str(tmp_path), str(tmp_path / "out")])
        assert (result.exit_code, "is not a run folder" in result.output) == (1, True)


class TestScoreAsJson:
    def test_it_holds_the_image_as_seen_and_its_map(self, run, tmp_path):
        (tmp_path / "a.png").write_bytes(picture("fake", 1, side=50))
        result = CliRunner().invoke(app, ["score", str(run), str(tmp_path / "a.png"), "--json"])
        found = json.loads(result.stdout)
        assert found["side"] == 32
        assert {"seen", "cam", "score_sigmoid", "entropy"} <= found.keys()

    def test_two_images_of_one_name_do_not_share_a_map(self, run, tmp_path):
        paths = []
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            paths.append(str(tmp_path / folder / "x.png"))
            (tmp_path / folder / "x.png").write_bytes(picture("real", 1))
        result = CliRunner().invoke(app, ["score", str(run), *paths, "--cams", str(tmp_path / "cams")])
        assert (result.exit_code, "2 images are called x" in result.output) == (1, True)
