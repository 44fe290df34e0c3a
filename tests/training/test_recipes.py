"""The recipes of both papers, and those of two other detectors, from end to end on a few small images."""

import re

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


OF_TODAY = ("frozen2026", "photographs", "vit2026")


def test_a_recipe_that_ships_is_of_a_paper_or_a_trial():
    assert {path.stem for path in RECIPES.glob("*.toml")} == {*OF_PAPERS, *OF_TODAY, "smoke"}


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


@pytest.mark.parametrize("recipe", OF_TODAY)
class TestRecipesOfToday:
    def test_every_network_has_a_map_that_explains_its_logits(self, recipe):
        seven = ("convnext_tiny", "swin_tiny_patch4_window7_224", "tf_efficientnet_lite0")
        sides = {"vit_small_patch14_reg4_dinov2": 16, **dict.fromkeys(seven, 7)}
        for run in {run.architecture: run for run in load_recipe(recipe).runs()}.values():
            assert new_backbone(run).map_size() == (sides.get(run.architecture, 14),) * 2

    def test_half_of_a_loss_is_no_arm_beside_the_whole_where_adam_scales_both_alike(self, recipe):
        loaded = load_recipe(recipe)
        weights = [
            one.objective.cross_entropy_weight for one in loaded.all_scenarios if not one.objective.needs_maps
        ]
        assert sorted(weights) == ([1.0] if loaded.run.optimiser.name == "adam" else [0.5, 1.0])

    def test_human_maps_compete_with_maps_that_know_less(self, recipe):
        scenarios = {scenario.name: scenario for scenario in load_recipe(recipe).all_scenarios}
        guided = scenarios["difference"].objective
        for control, maps in {"difference_shuffled": "shuffled", "difference_centre": "ellipse"}.items():
            assert (scenarios[control].objective, scenarios[control].maps) == (guided, maps)


SMALL = ("--limit", 4, "--epochs", 1, "--seeds", 1, "--weights", "none", "--device", "cpu")


@pytest.mark.parametrize(
    ("recipe", "runs", "side"),
    [
        pytest.param("wacv2023", 12, 96, marks=pytest.mark.slow),
        ("droid2023", 6, 64),
        pytest.param("wang2020", 2, 64, marks=pytest.mark.slow),
        pytest.param("dang2020", 2, 96, marks=pytest.mark.slow),
    ],
)
def test_every_run_ends_with_metrics(data, tmp_path, recipe, runs, side):
    assert len(finished(recipe, data, tmp_path / "runs", side=side)) == runs


def test_every_run_of_one_network_of_wacv2023_ends_with_metrics(data, tmp_path):
    """Its other three networks take a minute; `make test-slow` trains them."""
    text = (RECIPES / "wacv2023.toml").read_text(encoding="utf-8")
    others = r"(?m)^(densenet121|inception_v3|legacy_xception) = .*\n"  # their weights
    one = re.sub(r"(?m)^architectures = .*$", 'architectures = ["resnet50"]', re.sub(others, "", text))
    (tmp_path / "one.toml").write_text(one, encoding="utf-8")
    ended = finished(tmp_path / "one.toml", data, tmp_path / "runs", side=64)
    scenarios = {folder.record()["config"]["scenario"] for folder in ended}
    assert scenarios == {"classical", "classical_more_data", "cyborg"}


def finished(recipe, data, out, *, side):
    """Fit every run of a recipe on a few small images; their folders, each finished."""
    result = invoke("fit", recipe, "--data", data, "--out", out, *SMALL, "--image-size", side)
    assert result.exit_code == 0, result.output
    folders = [RunFolder(path) for path in out.iterdir()]
    assert all(folder.is_finished for folder in folders)
    assert {folder.record()["config"]["limit"] for folder in folders} == {4}
    return folders
