"""The recipes of both papers, and those of two other detectors, from end to end on a few small images."""

import pytest

from tests.training.conftest import fill
from tests.training.test_main import invoke
from training.config import RECIPES, load_recipe
from training.data.dataset import DatasetWriter
from training.engine.setup import new_backbone
from training.model.network_input import HALF, IMAGENET
from training.model.weights import pretrained_name
from training.run_folder import RunFolder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five images of each split, `extra` among them."""
    root = tmp_path_factory.mktemp("few") / "data"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer, train=5, val=4, test=4, extra=4)
    return root


OF_PAPERS = ["dang2020", "droid2023", "wacv2023", "wacv2023_controls", "wang2020"]
WEIGHTS = {
    "densenet121": "densenet121.tv_in1k",
    "inception_v3": "inception_v3.tv_in1k",
    "legacy_xception": "legacy_xception.tf_in1k",  # xception-b5690688.pth, saved again
    "resnet50": "resnet50.tv_in1k",
}


def test_a_recipe_that_ships_is_of_a_paper_or_a_trial():
    assert {path.stem for path in RECIPES.glob("*.toml")} == {*OF_PAPERS, "smoke"}


@pytest.mark.parametrize("recipe", OF_PAPERS)
class TestRecipesOfPapers:
    def test_they_begin_with_the_papers_weights_and_no_others(self, recipe):
        for architecture, weights in {(run.architecture, run.weights) for run in load_recipe(recipe).runs()}:
            assert pretrained_name(architecture, weights) == WEIGHTS[architecture]

    def test_they_take_of_a_picture_what_the_released_code_takes(self, recipe):
        taken = {(run.resize, run.scaling, run.image_size) for run in load_recipe(recipe).runs()}
        assert taken == {("pil_bilinear", "auto", None)}

    def test_they_make_maps_of_the_tensor_that_the_released_code_takes(self, recipe):
        assert {run.cam_tensor for run in load_recipe(recipe).runs()} == {"released"}
        assert {run.objective.cam_class for run in load_recipe(recipe).runs()} == {"predicted"}

    def test_they_drop_out_what_the_authors_networks_do(self, recipe):
        for run in {run.architecture: run for run in load_recipe(recipe).runs()}.values():
            backbone = new_backbone(run)
            assert backbone.dropout == (0.5 if run.architecture == "inception_v3" else 0)
            half = run.architecture in {"inception_v3", "legacy_xception"}
            assert backbone.network_input.scale == (HALF if half else IMAGENET)


SMALL = ("--limit", 4, "--epochs", 1, "--seeds", 1, "--weights", "none", "--device", "cpu")


@pytest.mark.parametrize(
    ("recipe", "runs", "side"),
    [
        ("wacv2023", 12, 96),
        ("droid2023", 6, 64),
        pytest.param("wang2020", 2, 64, marks=pytest.mark.slow),
        pytest.param("dang2020", 2, 96, marks=pytest.mark.slow),
    ],
)
def test_every_run_ends_with_metrics(data, tmp_path, recipe, runs, side):
    result = invoke("fit", recipe, "--data", data, "--out", tmp_path / "runs", *SMALL, "--image-size", side)
    assert result.exit_code == 0, result.output
    folders = [RunFolder(path) for path in (tmp_path / "runs").iterdir()]
    assert len(folders) == runs
    assert all(folder.is_finished for folder in folders)
    assert {folder.record()["config"]["limit"] for folder in folders} == {4}
