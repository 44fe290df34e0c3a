import json

import pytest
import torch

from tests.training.conftest import picture
from tests.training.test_main import invoke, names
from training.engine.setup import new_backbone
from training.errors import ModelError, RecipeError, RunError
from training.import_weights import import_weights
from training.model.backbones import build
from training.model.network_input import HALF, IMAGENET, NetworkInput
from training.run import open_run
from training.run_folder import RunFolder


@pytest.fixture
def checkpoint(tmp_path):
    """Weights of our tiny network, as a trainer leaves them."""
    torch.manual_seed(0)
    state = build("cyborg_tiny").net.state_dict()
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def imported(checkpoint, **options):
    out = checkpoint.parent / "run"
    return out, import_weights(checkpoint, out, **{"architecture": "cyborg_tiny", "image_size": 32} | options)


class TestImport:
    def test_it_says_what_it_made_of_the_file(self, checkpoint):
        out, record = imported(checkpoint)
        assert json.loads((out / "run.json").read_text()) == json.loads(json.dumps(record))
        assert record["start"]["where"] == "state_dict"
        assert record["input"] == NetworkInput(32, IMAGENET, "pil_bilinear").as_record()
        assert record["network"] == {"dropout": 0.0, "cam_tensor": "pooled", "map": "cam"}
        assert names(checkpoint.parent) == ["run", "w.pth"]

    def test_what_is_known_better_is_taken(self, checkpoint):
        out, _ = imported(checkpoint, scaling="half", resize="area", cam_class="true", image_size=64)
        run, backbone = open_run(RunFolder(out), device="cpu")
        assert backbone.network_input == NetworkInput(64, HALF, "area")
        assert run.objective.cam_class == "true"

    def test_other_weights_can_begin_with_it_and_take_its_scale(self, checkpoint):
        out, _ = imported(checkpoint, scaling="half")
        run = RunFolder(out).config().model_copy(update={"weights": str(out), "scaling": "auto"})
        assert new_backbone(run).network_input.scale == HALF

    def test_it_cannot_be_exported_for_it_has_no_numbers(self, checkpoint):
        out, _ = imported(checkpoint)
        assert "has not finished" in invoke("export", out, checkpoint.parent / "model").output

    def test_the_command_says_what_it_did_and_score_takes_it(self, checkpoint, tmp_path):
        (tmp_path / "face.png").write_bytes(picture("fake", 1))
        options = ("--architecture", "cyborg_tiny", "--image-size", 32, "--scaling", "half")
        result = invoke("import-weights", checkpoint, tmp_path / "run", *options)
        half = (0.5, 0.5, 0.5)
        assert result.output.splitlines()[0] == (
            f"cyborg_tiny at 32 px, resize pil_bilinear, mean and deviation {half} and {half}, "
            "maps of the pooled tensor; its classes are taken as real, fake"
        )
        scored = invoke("score", tmp_path / "run", tmp_path / "face.png", "--device", "cpu")
        assert (scored.exit_code, len(scored.output.splitlines())) == (0, 2)


class TestRefusals:
    def test_a_network_that_is_none_of_the_papers_has_to_be_named(self, checkpoint):
        with pytest.raises(ModelError, match=r"none of densenet121, .*; name its architecture\. It has feat"):
            imported(checkpoint, architecture=None)

    @pytest.mark.parametrize("classes", [1, 3, 1000])
    def test_a_classifier_of_other_classes_would_score_at_random(self, checkpoint, classes):
        state = torch.load(checkpoint)["state_dict"]
        state |= {
            "module.classifier.weight": torch.rand(classes, 64),
            "module.classifier.bias": torch.rand(classes),
        }
        torch.save(state, checkpoint)
        with pytest.raises(ModelError, match="no classifier for two classes, real and fake"):
            imported(checkpoint)
        assert names(checkpoint.parent) == ["w.pth"]

    def test_a_folder_that_is_there_is_left_alone(self, checkpoint, tmp_path):
        imported(checkpoint)
        with pytest.raises(RunError, match="exists already"):
            imported(checkpoint)

    @pytest.mark.parametrize(
        ("options", "kind", "reason"),
        [
            ({"architecture": "../x"}, RecipeError, "architecture"),
            ({"architecture": "resnet19"}, ModelError, "no architecture 'resnet19'"),
            ({"image_size": 8}, RecipeError, "image_size"),
            ({"cam_tensor": "released"}, ModelError, 'cyborg_tiny has only "pooled"'),
        ],
    )
    def test_what_makes_no_sense_is_one_sentence(self, checkpoint, options, kind, reason):
        with pytest.raises(kind, match=reason):
            imported(checkpoint, **options)
        assert names(checkpoint.parent) == ["w.pth"]

    def test_a_file_that_is_not_there(self, tmp_path):
        result = invoke("import-weights", tmp_path / "none.pth", tmp_path / "run")
        assert (result.exit_code, "none.pth does not exist" in result.output) == (1, True)
