import csv
import json

import numpy as np
import pytest

from tests.training.test_run import run
from training.data.degradations import parse_degradations
from training.errors import DatasetError, RunError
from training.evaluation.degraded import FPR, degraded_row, fixed_threshold
from training.evaluation.score_table import ScoreTable, read_score_table
from training.reporting.finished_runs import gather
from training.reporting.tables import degraded_table, image_table
from training.run import evaluate_degraded

FAKE = np.arange(40) % 2 == 0
SCORES = np.random.default_rng(0).normal(size=40) + FAKE
DEGRADATIONS = parse_degradations(["jpeg:50 noise:20"])


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    run(data, folder)
    return folder


def rows_of(finished, data, name="x", **options):
    options = {"split": "test", "device": "cpu"} | options
    *_, rows = evaluate_degraded(finished, data, DEGRADATIONS, name=name, **options)
    return rows


class TestEvaluation:
    def test_clean_images_come_first_and_are_those_of_the_run(self, finished, data):
        clean, *degraded = rows_of(finished, data)
        metrics = json.loads((finished / "metrics.json").read_text())["splits"]["test"]
        assert (clean.degradation, clean.auc.value) == ("none", metrics["auc"])
        assert [row.degradation for row in degraded] == ["jpeg:50", "noise:20"]

    def test_every_row_has_the_threshold_of_the_clean_validation_images(self, finished, data):
        validation = read_score_table(finished / "scores" / "val.csv")
        wanted = fixed_threshold(validation, "sigmoid")
        assert {row.threshold for row in rows_of(finished, data)} == {wanted}

    def test_the_same_seed_gives_the_same_numbers_and_another_other_ones(self, finished, data):
        first = rows_of(finished, data)
        assert rows_of(finished, data) == first
        other = rows_of(finished, data, seed=1)
        assert other[:2] == first[:2]

    def test_it_is_stored_with_hashes_and_read_by_the_report(self, finished, data):
        rows = rows_of(finished, data)
        stored = json.loads((finished / "evaluations/x/degraded-test.json").read_text())
        assert len(stored["weights"]) == len(stored["validation"]) == len(stored["code"]) == 64
        assert [row["auc"] for row in stored["rows"]] == [row.auc.value for row in rows]
        table = degraded_table(gather(finished.parent))
        assert [row["degradation"] for row in table] == ["none", "jpeg:50", "noise:20"]
        assert {row["evaluation"] for row in table} == {"x"}

    def test_the_report_names_the_images_that_the_numbers_rest_on(self, finished):
        with (finished / "scores" / "test.csv").open() as stream:
            count = len([row for row in csv.DictReader(stream) if row["source"] == "camera"])
        (camera,) = [row for row in image_table(gather(finished.parent)) if row["source"] == "camera"]
        assert (camera["real"], camera["fake"], camera["runs"]) == (count, 0, 1)

    def test_a_split_without_images_is_refused(self, finished, data):
        with pytest.raises(DatasetError, match=r"extra split .* needs images of both labels"):
            rows_of(finished, data, split="extra")

    def test_validation_images_of_one_label_fix_no_threshold(self):
        sources, ids = np.array(["gan"] * 3), ("a", "b", "c")
        only_fake = ScoreTable(ids, np.ones(3, bool), sources, {"sigmoid": np.arange(3.0)}, {})
        with pytest.raises(RunError, match="fix no threshold"):
            fixed_threshold(only_fake, "sigmoid")


class TestNumbers:
    def test_they_are_those_at_the_fixed_threshold(self):
        row = degraded_row("none", SCORES, FAKE, threshold=0.5)
        says_fake = SCORES > 0.5
        assert row.accuracy.value == (says_fake == FAKE).mean()
        assert row.tpr.value == says_fake[FAKE].mean()
        assert row.balanced_accuracy.value == pytest.approx((row.tpr.value + 1 - row.fpr.value) / 2)

    def test_the_share_found_accuses_at_most_one_in_two_hundred(self):
        row = degraded_row("none", SCORES, FAKE, threshold=0.0)
        assert row.tpr_at_fpr.value == (SCORES[FAKE] > SCORES[~FAKE].max()).mean()
        assert FPR == 0.005

    def test_every_number_lies_in_its_interval(self):
        record = degraded_row("none", SCORES, FAKE, threshold=0.0).as_record()
        measured = [name for name in record if f"{name}_low" in record]
        assert len(measured) == 7
        assert all(record[f"{name}_low"] <= record[name] <= record[f"{name}_high"] for name in measured)
