import csv
import json

import numpy as np
import pytest
from scipy.stats import t

from tests.training.reporting.test_report import fake_run
from training.evaluation.degraded import degraded_row
from training.reporting.degraded import DRAWN, STRENGTHS, degraded_summary
from training.reporting.finished_runs import gather
from training.reporting.matplotlib_figures import rows_of, write_figure
from training.reporting.plotly_figures import drawn
from training.reporting.report import cell, write_report
from training.reporting.report_contents import figures_of, tables_of
from training.reporting.tables import degraded_table

FAKE = np.arange(60) % 2 == 0
HARM = {"none": 0.0, "jpeg:90": 0.4, "jpeg:30": 1.2, "jpeg:50": 0.8, "blur:1": 0.5, "social": 0.9}


def degrade(folder, seed, name="photos", split="test"):
    """Numbers of a run on degraded images, the worse the more harm is done; as `evaluate` writes them."""
    random = np.random.default_rng(seed)
    rows = [
        degraded_row(what, random.normal(size=60) + (2 - harm) * FAKE, FAKE, threshold=1.0).as_record()
        for what, harm in HARM.items()
    ]
    target = folder / "evaluations" / name
    target.mkdir(parents=True)
    (target / f"degraded-{split}.json").write_text(json.dumps({"split": split, "rows": rows}))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A scenario with three seeds that met degraded images, and one of which a single seed did."""
    root = tmp_path_factory.mktemp("runs")
    for scenario, seeds in {"classical": 1, "cyborg": 3}.items():
        for seed in range(3):
            fake_run(root, scenario, seed, lift=1)
            if seed < seeds:
                degrade(root / f"net-{scenario}-seed{seed}", seed)
    return gather(root)


@pytest.fixture(scope="module")
def figures(runs):
    made = figures_of("net", runs, tables_of(runs))
    return {figure.key: figure for figure in made if figure.key.startswith("degraded-")}


def row_of(rows, scenario, degradation):
    (row,) = [row for row in rows if (row["scenario"], row["degradation"]) == (scenario, degradation)]
    return row


class TestSummary:
    def test_of_several_seeds_the_interval_is_students_over_them(self, runs):
        row = row_of(degraded_summary(degraded_table(runs)), "cyborg", "jpeg:50")
        values = [one["auc"] for one in degraded_table(runs) if one["scenario"] == "cyborg"][3::6]
        half = t.ppf(0.975, 2) * np.std(values, ddof=1) / 3**0.5
        assert (row["seeds"], row["images"], row["intervals_over"]) == (3, 60, "seeds")
        assert row["auc"] == pytest.approx(np.mean(values))
        assert (row["auc_low"], row["auc_high"]) == pytest.approx(
            (np.mean(values) - half, np.mean(values) + half)
        )

    def test_of_one_run_it_is_that_over_images(self, runs):
        row = row_of(degraded_summary(degraded_table(runs)), "classical", "jpeg:50")
        single = row_of(degraded_table(runs), "classical", "jpeg:50")
        assert row["intervals_over"] == "images"
        for name in ("auc", "auc_low", "auc_high", "balanced_accuracy_low", "ap_high", "tpr_at_fpr"):
            assert row[name] == single[name]

    def test_a_bound_of_0_is_a_bound(self):
        head = {
            "architecture": "n",
            "scenario": "s",
            "evaluation": "e",
            "split": "test",
            "degradation": "none",
        }
        numbers = {
            f"{name}{end}": 0.0
            for name in ("auc", "balanced_accuracy", "ap", "tpr_at_fpr")
            for end in ("", "_low", "_high")
        }
        (row,) = degraded_summary([{**head, "images": 2, **numbers}])
        assert (row["auc_low"], row["tpr_at_fpr_low"]) == (0.0, 0.0)

    def test_without_any_there_is_no_row_and_no_figure(self):
        assert degraded_summary([]) == []


class TestFigures:
    def test_there_is_one_for_each_number_and_each_kind_that_was_met_with_a_strength(self, figures):
        assert figures.keys() == {
            f"degraded-{number}-{kind}-net" for number in DRAWN for kind in ("jpeg", "blur")
        }

    def test_it_goes_over_the_strength_and_shows_what_clean_images_give(self, figures, runs):
        curve, clean, *_ = figures["degraded-auc-jpeg-net"].marks
        summary = degraded_summary(degraded_table(runs))
        assert (curve.name, list(curve.x)) == ("classical", [30, 50, 90])
        rows = [row_of(summary, "classical", f"jpeg:{quality}") for quality in (30, 50, 90)]
        assert list(curve.y) == [row["auc"] for row in rows]
        assert list(curve.below) == pytest.approx([row["auc"] - row["auc_low"] for row in rows])
        assert list(curve.spread) == pytest.approx([row["auc_high"] - row["auc"] for row in rows])
        assert (clean.name, clean.dash) == ("classical, as they are", "dot")
        assert set(clean.y) == {row_of(summary, "classical", "none")["auc"]}

    def test_a_single_strength_is_a_point(self, figures):
        assert [len(mark.x) for mark in figures["degraded-auc-blur-net"].marks] == [1, 2, 1, 2]

    def test_uneven_bars_are_drawn_for_pages_and_papers_and_are_in_the_file(self, figures, tmp_path):
        figure = figures["degraded-balanced_accuracy-jpeg-net"]
        bars = drawn(figure)["data"][0]["error_y"]
        assert bars["symmetric"] is False
        assert bars["array"] == pytest.approx(list(figure.marks[0].spread), abs=1e-4)
        assert bars["arrayminus"] == pytest.approx(list(figure.marks[0].below), abs=1e-4)
        assert write_figure(tmp_path, figure) == [f"{figure.key}.{end}" for end in ("pdf", "png", "csv")]
        assert rows_of(figure)[0].keys() == {"series", "x", "y", "spread", "below"}

    def test_two_evaluations_of_a_scenario_are_two_curves(self, tmp_path):
        fake_run(tmp_path, "cyborg", 0, lift=1)
        for name in ("photos", "paintings"):
            degrade(tmp_path / "net-cyborg-seed0", 0, name=name)
        found = gather(tmp_path)
        made = figures_of("net", found, tables_of(found))
        (figure,) = [one for one in made if one.key == "degraded-auc-jpeg-net"]
        assert [mark.name for mark in figure.marks[::2]] == ["cyborg, paintings test", "cyborg, photos test"]

    def test_every_strength_is_of_a_kind_that_has_one(self):
        from training.data.degradations import KINDS

        assert STRENGTHS.keys() == {name for name, kind in KINDS.items() if kind.what}


def test_the_page_and_the_files_of_a_report_have_it_and_count_in_whole_numbers(runs, tmp_path):
    write_report(runs[0].folder.root.parent, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "<h2>Degraded images</h2>" in page
    for name, count in {"degraded": 4 * 6, "degraded_summary": 2 * 6}.items():
        with (tmp_path / f"{name}.csv").open() as stream:
            assert len(list(csv.DictReader(stream))) == count
    assert (tmp_path / "figures/degraded-auc-jpeg-net.pdf").is_file()
    _, _, efficiency = page.partition("<h2>Annotation efficiency</h2>")
    assert "<td>20</td>" in efficiency.partition("</table>")[0]
    assert "20.000" not in efficiency
    assert cell(20.0) == "20.000"  # a number that is no count
