import csv

import pytest

from tests.training.conftest import picture, saliency
from tests.training.test_config import MINIMAL
from tests.training.test_main import RECIPE, invoke, names
from tests.training.test_run import run, same, weights
from training.config import load_recipe
from training.data.dataset import DatasetWriter, load_dataset
from training.data.left_out import generators_learned_from
from training.errors import DatasetError, RecipeError
from training.run_folder import RunFolder


def sources(folder, split):
    with (RunFolder(folder).scores / f"{split}.csv").open() as stream:
        return {row["source"] for row in csv.DictReader(stream)}


@pytest.fixture
def few_sources(tmp_path):
    """`ganA` is in every split, `ganT` in the test split alone."""
    with DatasetWriter(tmp_path / "few", study="s", map_set="m") as writer:
        for split, fakes in {"train": ("ganA",), "val": ("ganA",), "test": ("ganA", "ganT")}.items():
            for label, source in [("real", "camera"), *(("fake", name) for name in fakes)]:
                for i in range(4):
                    key = f"{split}{source}{i}"
                    image = picture(label, seed=i)
                    writer.add(image_id=key, image=image, label=label, source=source, split=split)
    return tmp_path / "few"


@pytest.fixture(scope="module")
def left_out(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "r"
    run(data, folder, leave_out="ganA")
    return folder


class TestARun:
    @pytest.mark.parametrize(
        ("split", "met"),
        [("train", {"camera", "ganB"}), ("val", {"camera", "ganB"}), ("test", {"camera", "ganA", "ganB"})],
    )
    def test_it_meets_the_generator_in_the_test_split_alone(self, left_out, split, met):
        assert sources(left_out, split) == met

    def test_it_is_a_run_on_a_dataset_that_never_had_those_images(self, left_out, data, tmp_path):
        with DatasetWriter(tmp_path / "less", study="s", map_set="m") as writer:
            for one in load_dataset(data).samples:
                if one.source != "ganA" or one.split == "test":
                    writer.add(
                        image_id=one.image_id,
                        image=(data / one.path).read_bytes(),
                        label=one.label,
                        source=one.source,
                        split=one.split,
                        map=saliency() if one.map else None,
                        annotators=one.annotators,
                    )
        run(tmp_path / "less", tmp_path / "r")
        assert same(weights(tmp_path / "r", "best"), weights(left_out, "best"))

    def test_features_that_others_have_kept_are_not_taken_for_its_own(self, data, tmp_path):
        settings = {"freeze": "trunk", "cache": "disk", "objective": "cross_entropy"}
        run(data, tmp_path / "shared/all", **settings)
        for folder in ("shared", "alone"):
            run(data, tmp_path / folder / "r", leave_out="ganB", **settings)
        assert same(*(weights(tmp_path / folder / "r", "best") for folder in ("shared", "alone")))

    def test_its_model_card_says_so(self, left_out, tmp_path):
        invoke("export", left_out, tmp_path / "model")
        card = (tmp_path / "model/README.md").read_text()
        assert "Fake images of ganA were in neither training nor validation." in card


class TestRefusals:
    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("ganC", "the dataset has no such source; the generators in training and validation are ganA"),
            ("camera", "it is a source of real images"),
            ("ganT", "it is in the test split alone, so nothing is learned from it"),
            ("ganA", "no other fake image is in train"),
        ],
    )
    def test_a_source_that_cannot_be_left_out(self, few_sources, tmp_path, source, reason):
        with pytest.raises(DatasetError, match=f"^{source} cannot be left out: {reason}"):
            run(few_sources, tmp_path / "r", leave_out=source)
        assert not (tmp_path / "r").exists()

    def test_only_generators_that_are_learned_from_are_left_out(self, few_sources):
        assert generators_learned_from(load_dataset(few_sources)) == ("ganA",)


class TestRecipe:
    def test_the_grid_is_there_with_all_and_without_each(self):
        recipe = load_recipe(MINIMAL + 'leave_out = ["ganA", "Style GAN/2"]\n')
        assert [one.name for one in recipe.runs()] == [
            "cyborg_tiny-cyborg-seed0",
            "cyborg_tiny-cyborg-without-ganA-seed0",
            "cyborg_tiny-cyborg-without-Style_GAN_2-seed0",
        ]
        assert recipe.count == 3

    def test_two_sources_of_one_file_name_are_refused(self):
        with pytest.raises(RecipeError, match="a_b is in the grid twice"):
            load_recipe(MINIMAL + 'leave_out = ["a b", "a_b"]\n')


class TestCommand:
    def test_each_generator_is_left_out_in_turn_and_reported(self, data, tmp_path):
        (tmp_path / "r.toml").write_text(RECIPE)
        options = ("--leave-one-out", "--seeds", 1, "--epochs", 1)
        result = invoke("fit", tmp_path / "r.toml", "--data", data, "--out", tmp_path / "runs", *options)
        assert result.exit_code == 0, result.output
        scenarios = ("cross_entropy", "cyborg")
        endings = ("", "-without-ganA", "-without-ganB")
        assert [name for name in names(tmp_path / "runs") if name != ".cache"] == sorted(
            f"cyborg_tiny-{scenario}{ending}-seed0" for scenario in scenarios for ending in endings
        )
        invoke("report", tmp_path / "runs", tmp_path / "report")
        with (tmp_path / "report/left_out.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [(row["scenario"], row["source"]) for row in rows] == [
            (scenario, source) for scenario in scenarios for source in ("ganA", "ganB")
        ]
        assert "<h2>Leave one source out</h2>" in (tmp_path / "report/index.html").read_text()

    def test_it_needs_a_dataset_to_know_the_generators(self, tmp_path):
        (tmp_path / "r.toml").write_text(RECIPE)
        said = invoke("fit", tmp_path / "r.toml", "--dry-run", "--leave-one-out").output
        assert "--leave-one-out needs --data, whose generators it leaves out." in said

    def test_a_single_generator_is_told_by_the_plan(self, few_sources, tmp_path):
        (tmp_path / "r.toml").write_text(RECIPE)
        options = ("--data", few_sources, "--dry-run", "--leave-one-out")
        said = " ".join(invoke("fit", tmp_path / "r.toml", *options).output.split())
        assert "ganA cannot be left out: no other fake image is in train" in said
