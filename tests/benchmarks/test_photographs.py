"""The comparison on photographs: its datasets, its annotators, and what may be called a gain."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.photographs import datasets
from benchmarks.photographs.annotators import PARAMETERS, annotate
from benchmarks.photographs.comparison import PRIMARY, SCENARIOS, compare
from benchmarks.photographs.images import SIDE_PX, ListedImage, Picture, listed_test, listed_training, picture
from benchmarks.photographs.tables import as_markdown, run_rows, verdict
from saliency import build_image_map
from tests.training.reporting.test_report import fake_run
from training.config import load_recipe
from training.errors import RunError

FACE = (60.0, 50.0, 100.0, 130.0)


def painted(label, number=0):
    shade = np.full((SIDE_PX, SIDE_PX, 3), number % 256, np.uint8)
    listed = ListedImage(f"{label}-{number:03d}", Path("x.jpg"), label, label.upper())
    return Picture(listed, bytes(cv2.imencode(".png", shade)[1]), FACE)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(datasets, "TRAIN", 4)
    monkeypatch.setattr(datasets, "VAL", 2)
    return [painted(label, number) for label in ("real", "fake") for number in range(7)]


class TestImages:
    def test_a_studio_set_in_the_manifest_is_left_out(self, tmp_path):
        rows = [
            "path,label,source",
            "b.jpg,fake,StyleGAN2",
            "a.jpg,real,FFHQ photo",
            "c.jpg,real,London photo",
        ]
        (tmp_path / "m.csv").write_text("\n".join(rows))
        listed = listed_training(tmp_path / "m.csv")
        assert [(one.name, one.label) for one in listed] == [
            ("train-FFHQ-a", "real"),
            ("train-StyleGAN2-b", "fake"),
        ]

    def test_a_label_that_contradicts_its_source_is_refused(self, tmp_path):
        (tmp_path / "m.csv").write_text("path,label,source\na.jpg,fake,FFHQ photo")
        with pytest.raises(ValueError, match=r"a.jpg of FFHQ photo is called fake"):
            listed_training(tmp_path / "m.csv")

    def test_the_controls_of_the_test_folder_are_left_out(self, tmp_path):
        (tmp_path / "Data").mkdir()
        rows = ["img_id;ds;path;synthetic", "1;PGGAN;x/1.jpg;1", "2;Control;x/2.jpg;0", "3;FFHQ;x/3.jpg;0"]
        (tmp_path / "Data" / "img.csv").write_text("\n".join(rows))
        assert [one.source for one in listed_test(tmp_path)] == ["FFHQ", "PGGAN"]

    def test_a_picture_has_the_side_of_the_network(self, tmp_path):
        cv2.imwrite(str(tmp_path / "a.png"), np.full((300, 400, 3), 90, np.uint8))
        made = picture(ListedImage("a", tmp_path / "a.png", "real", "FFHQ"))
        assert cv2.imdecode(np.frombuffer(made.png, np.uint8), 1).shape == (SIDE_PX, SIDE_PX, 3)
        assert made.face is None


class TestAnnotators:
    def share_beside_the_face(self, label):
        maps = [
            build_image_map(annotate(painted(label), np.random.default_rng(n)), PARAMETERS) for n in range(12)
        ]
        total = np.sum([one.values for one in maps if one is not None], axis=0)
        x, y, w, h = (int(v) for v in FACE)
        return 1 - total[y : y + h, x : x + w].sum() / total.sum()

    def test_fakes_are_painted_beside_the_face_more_often_than_photographs(self):
        assert self.share_beside_the_face("fake") > self.share_beside_the_face("real") + 0.1


class TestDatasets:
    def test_each_seed_has_its_own_images_and_annotators_and_the_same_test(self, tmp_path, few):
        test = [painted("real", 100), painted("fake", 101)]
        one, other = (datasets.write_dataset(tmp_path / str(seed), few, test, seed=seed) for seed in (0, 1))
        assert one.counts["train"] == {"images": 8, "real": 4, "fake": 4, "with_map": 8}
        assert one.counts["val"] == {"images": 4, "real": 2, "fake": 2, "with_map": 0}
        assert [s.image_id for s in one.of("train")] != [s.image_id for s in other.of("train")]
        assert [one.digests[s.path] for s in one.of("test")] == [
            other.digests[s.path] for s in other.of("test")
        ]

    def test_a_dataset_says_that_its_annotations_are_simulated(self, tmp_path, few):
        written = datasets.write_dataset(tmp_path / "d", few, (), seed=0)
        assert written.parameters["simulated_annotations"] == 6 * 8

    def test_the_same_seed_writes_the_same_dataset(self, tmp_path, few):
        first, second = (datasets.write_dataset(tmp_path / name, few, (), seed=3) for name in "ab")
        assert first.id == second.id

    def test_too_few_images_are_refused(self, few):
        with pytest.raises(ValueError, match=r"5 real images are too few: 6 are drawn"):
            datasets.drawn_splits(few[2:], seed=0)


class TestComparison:
    """Forty images; scores are as good as `lift` says."""

    def runs(self, root, lifts, seeds=range(4)):
        for name in SCENARIOS:
            for seed in seeds:
                fake_run(root, name, seed, lift=lifts.get(name, 1.0))
        return root

    def test_an_objective_that_beats_both_controls_counts(self, tmp_path):
        found = compare(self.runs(tmp_path, {"cyborg": 9.0}, seeds=range(6)))
        assert found.counts("cyborg")
        assert not found.counts("difference")
        assert verdict(found, "cyborg").startswith("**cyborg counts**")

    def test_one_that_a_centre_prior_equals_does_not(self, tmp_path):
        found = compare(self.runs(tmp_path, {"cyborg": 9.0, "cyborg_centre": 9.0}))
        assert not found.counts("cyborg")
        assert "does not beat both controls" in verdict(found, "cyborg")

    def test_one_that_is_worse_does_not(self, tmp_path):
        lifts = dict.fromkeys(SCENARIOS, 9.0) | {"cyborg": 1.0}
        assert not compare(self.runs(tmp_path, lifts)).counts("cyborg")

    def test_the_headline_is_of_the_sources_that_are_named(self, tmp_path):
        self.runs(tmp_path, {})
        both, one = compare(tmp_path).scenarios[0], compare(tmp_path, ["ganA"]).scenarios[0]
        assert one.auc.value == pytest.approx(one.of_sources["ganA"])
        assert both.auc.value == pytest.approx(np.mean(list(both.of_sources.values())), abs=1e-9)

    def test_a_source_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(RunError, match=r"no fakes of ganX"):
            compare(self.runs(tmp_path, {}), ["ganX"])

    def test_a_seed_that_is_missing_in_one_arm_is_refused(self, tmp_path):
        self.runs(tmp_path, {})
        fake_run(tmp_path, "cyborg", 9, lift=1.0)
        with pytest.raises(RunError, match=r"cyborg has the seeds \[0, 1, 2, 3, 9\]"):
            compare(tmp_path)

    def test_every_pair_stands_in_the_table_with_its_intervals(self, tmp_path):
        text = as_markdown(compare(self.runs(tmp_path, {"cyborg": 2.0})))
        assert all(f"| {one} | {other} | " in text for one, other in PRIMARY)
        assert text.count(" to ") >= 2 * len(PRIMARY)

    def test_simulated_annotators_are_named_before_any_number(self, tmp_path):
        (tmp_path / "dataset").mkdir()
        parameters = '{"parameters": {"simulated_annotations": 9}}'
        (tmp_path / "dataset" / "dataset.json").write_text(parameters)
        text = as_markdown(compare(self.runs(tmp_path / "runs", {}, seeds=range(2))))
        assert text.startswith("**Simulated annotators: this says nothing about people.**")
        assert "Simulated" not in as_markdown(compare(self.runs(tmp_path / "a" / "runs", {}, seeds=range(2))))

    def test_every_run_is_a_row_of_the_csv(self, tmp_path):
        self.runs(tmp_path, {}, seeds=range(2))
        header, *rows = run_rows(tmp_path).splitlines()
        assert header.startswith("scenario,seed,best_epoch")
        assert [row.split(",")[:2] for row in rows[:3]] == [
            ["cross_entropy", "0"],
            ["cross_entropy", "1"],
            ["half_cross_entropy", "0"],
        ]

    def test_the_arms_are_those_of_the_recipe(self):
        assert tuple(one.name for one in load_recipe("photographs").all_scenarios) == SCENARIOS
