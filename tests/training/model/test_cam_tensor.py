import csv
import json

import numpy as np
import onnxruntime
import pytest
import torch

from training.config import RunConfig, TrainingJob
from training.errors import ModelError
from training.export import export_run
from training.model.backbones import build
from training.model.cam_tensor import RELEASED, FeatureHook, HookPoint
from training.reporting.finished_runs import gather
from training.reporting.report import write_report
from training.reporting.tables import run_table
from training.run import run_job
from training.run_folder import RunFolder
from training.score import score_images

SIDE = {"inception_v3": 107}  # three pixels a side are left


class TestReleased:
    @pytest.mark.parametrize("name", RELEASED)
    def test_the_logits_are_those_of_the_pooled_one(self, name):
        side = SIDE.get(name, 64)
        torch.manual_seed(0)
        network = build(name, image_size=side, cam_tensor="released").eval()
        images = torch.rand(2, 3, side, side)
        released, logits = network(images)
        network.feature_hook = None
        pooled, again = network(images)
        assert torch.equal(logits, again)
        assert released.shape == pooled.shape
        assert torch.equal(released, pooled) == (name == "inception_v3")
        assert (released.min() < 0) == (name != "inception_v3")

    def test_an_architecture_may_be_called_with_its_tag(self):
        assert build("resnet50.tv_in1k", image_size=64, cam_tensor="released").cam_tensor == "released"

    def test_a_network_that_the_code_does_not_know_has_none(self):
        with pytest.raises(
            ModelError, match=r'takes in densenet121, .* resnet50; resnet18 has only "pooled"'
        ):
            build("resnet18", cam_tensor="released")


class TestFeatureHook:
    def test_it_keeps_nothing_once_it_is_taken(self):
        net = torch.nn.Sequential(torch.nn.Linear(2, 2))
        feature_hook = FeatureHook(net, HookPoint("0"))
        seen = net(torch.ones(1, 2))
        assert feature_hook.pop() is seen
        with pytest.raises(RuntimeError, match="no forward pass"):
            feature_hook.pop()

    def test_what_enters_is_not_overwritten(self):
        net = torch.nn.Sequential(torch.nn.ReLU(inplace=True))
        feature_hook = FeatureHook(net, HookPoint("0", is_input=True))
        net(-torch.ones(1, 2))
        assert feature_hook.pop().tolist() == [[-1, -1]]


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A finished run whose maps are those of the released code."""
    folder = tmp_path_factory.mktemp("runs") / "r"
    settings = {"architecture": "resnet50", "objective": "cyborg", "weights": "none", "device": "cpu"}
    settings |= {"epochs": 1, "image_size": 64, "batch_size": 8, "cam_tensor": "released"}
    list(run_job(TrainingJob(run=RunConfig.model_validate(settings), dataset=data, out=folder)))
    return folder


class TestWhereItIsSaid:
    def test_in_the_record(self, run):
        assert RunFolder(run).record()["network"]["cam_tensor"] == "released"

    def test_beside_the_pictures(self, run):
        with (run / "maps/index.csv").open() as stream:
            assert {row["cam_tensor"] for row in csv.DictReader(stream)} == {"released"}

    def test_in_the_table_of_runs_and_above_the_figures(self, run, tmp_path):
        (row,) = run_table(gather(run.parent))
        assert (row["cam_class"], row["cam_tensor"], row["resize"]) == ("predicted", "released", "area")
        write_report(run.parent, tmp_path / "out")
        page = (tmp_path / "out/index.html").read_text()
        for title in (
            "Agreement with the human maps, training images",
            "Entropy of the maps against AUC, one point per run",
        ):
            assert f"{title}, maps of the released tensor" in page
        assert "ROC, all images: mean ± 1 sd over seeds ·" in page

    def test_in_an_answer_to_a_score(self, run, data):
        (scored,) = score_images(run, [data / "images/test001.png"], cams=None, device="cpu")
        assert scored.as_json()["cam_tensor"] == "released"

    def test_in_the_card_of_an_export_whose_maps_are_those_of_score(self, run, data, tmp_path):
        export_run(run, tmp_path / "model")
        said = "Its maps are of the predicted class, made of what the papers' released code takes."
        assert said in (tmp_path / "model/README.md").read_text()
        assert json.loads((tmp_path / "model/card.json").read_text())["network"]["cam_tensor"] == "released"
        (scored,) = score_images(run, [data / "images/test001.png"], cams=None, device="cpu")
        session = onnxruntime.InferenceSession(
            tmp_path / "model/model.onnx", providers=["CPUExecutionProvider"]
        )
        images = scored.input_image.transpose(2, 0, 1)[None].astype(np.float32)
        cam = dict(
            zip(
                (one.name for one in session.get_outputs()),
                session.run(None, {"images": images}),
                strict=True,
            )
        )["cam"]
        np.testing.assert_allclose(cam[0], scored.cam, atol=1e-3)
