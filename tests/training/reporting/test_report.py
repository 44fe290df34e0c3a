import csv
import json
import math

import numpy as np
import pytest
from scipy.stats import ttest_rel

from training.config import RunConfig
from training.errors import RunError
from training.evaluation.external_scores import read_scores
from training.evaluation.gallery import picture
from training.evaluation.score_summary import summarise_scores
from training.evaluation.score_table import read_score_table
from training.events import EpochEvent, StartedEvent
from training.reporting.annotation_efficiency import efficiency_table, guidance_table
from training.reporting.average_maps import write_average_maps
from training.reporting.figures import BoxPlot, FigureSpec, Line
from training.reporting.finished_runs import ExternalDetector, gather
from training.reporting.left_out import left_out_table
from training.reporting.matplotlib_figures import rows_of, write_figure
from training.reporting.plotly_figures import drawn
from training.reporting.published_results import PUBLISHED, as_markdown, comparison
from training.reporting.report import SIMULATED, write_report
from training.reporting.report_contents import figures_of, tables_of
from training.reporting.stability import agreement, stability_table
from training.reporting.style import colour, coloured, dash
from training.reporting.tables import to_csv
from training.run_folder import RunFolder

RANDOM = np.random.default_rng(0)


def fake_run(root, scenario, seed, *, lift, objective="cyborg", images=40, values=None, **options):
    """A finished run that nobody trained: forty images whose scores are as good as `lift` says."""
    config = RunConfig(architecture="net", objective=objective, seed=seed, scenario=scenario, **options)
    folder = RunFolder(root / config.name)
    dataset = {"id": "d", "path": str(root.parent / "dataset"), "study": "s", "map_set": "v1 abc"}
    folder.begin({"name": "r", "config": config.model_dump(mode="json"), "dataset": dataset, "code": "c"})
    random = np.random.default_rng([seed, len(scenario)])
    rows = ["image_id,path,label,source,logit_real,logit_fake,score_sigmoid,score_softmax"]
    logits = []
    for i in range(40):
        label, source = ("real", "camera") if i % 2 == 0 else ("fake", ("ganA", "ganB")[i // 2 % 2])
        logits.append(random.normal() + lift * (i % 2) if values is None else values)
        rows.append(f"i{i},images/i{i}.png,{label},{source},0,{logits[-1]:.9g},0.5,0.5")
    folder.scores.mkdir()
    (folder.scores / "test.csv").write_text("\n".join(rows) + "\n")
    folder.append(started(images, with_map=images // 2))
    for epoch in (1, 2):
        folder.append(epoch_event(epoch))
    folder.maps.mkdir()
    for name in ("average_all", "average_human"):
        (folder.maps / f"{name}.png").write_bytes(picture(np.random.default_rng(seed).random((7, 7))))
    np.savez(folder.maps / "sample.npz", image_ids=np.array(["i0", "i1"]), cams=random.random((2, 7, 7)))
    fakes, reals = np.array(logits[1::2]), np.array(logits[::2])
    auc = float((fakes[:, None] > reals).mean()) if np.isfinite(logits).all() else None
    metrics = {"auc": auc, "cam_entropy": 3.0 - lift, "eer": None}
    splits = {"test": metrics, "train": {"with_map": 3.0, "agreement_spearman": 0.1 * seed}}
    folder.metrics.write_text(json.dumps({"best_epoch": 2, "splits": splits}))
    return auc


def started(images, *, with_map):
    return StartedEvent(
        run="r",
        device="cpu",
        parameters=1,
        images={"train": images},
        with_map=with_map,
        epochs=2,
        first_epoch=1,
        steps_per_epoch=1,
        plan="",
    )


def epoch_event(epoch):
    return EpochEvent(
        epoch=epoch,
        epochs=2,
        lr=0.1,
        train_accuracy=0.5 + epoch / 10,
        val_accuracy=0.5,
        best=True,
        terms={"loss": 1.0 / epoch},
        val_terms={},
        cam_entropy=3.5 - epoch / 10,
        human_entropy=3.0,
        max_entropy=math.log(49),
        images_per_s=1,
        gpu_memory_bytes=None,
        seconds=1,
        eta_s=0,
    )


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Two scenarios with three seeds, and an unfinished run that must not count."""
    root = tmp_path_factory.mktemp("experiment")
    aucs = {
        scenario: [fake_run(root / "runs", scenario, seed, lift=lift) for seed in range(3)]
        for scenario, lift in {"classical": 0.2, "cyborg": 1.5}.items()
    }
    RunFolder(root / "runs/unfinished").begin({"config": {}, "dataset": {}})
    (root / "dataset").mkdir()
    described = {"parameters": {"simulated_annotations": 3}}
    (root / "dataset/dataset.json").write_text(json.dumps(described))
    write_report(root / "runs", root / "report", [detector(root / "runs")])
    return root, aucs


def detector(runs, name="<i>Theirs</i> $x$"):
    """Somebody else's detector with a name that means mischief; it says the label's very opposite."""
    truth = [f"i{i}" for i in range(40)]
    rows = [f"{name},{image},{1 - i % 2}" for i, image in enumerate(truth)]
    content = "\n".join(["detector,image,score", *rows]).encode()
    (imported,) = read_scores(content, scored_truth(runs), called="x.csv")
    return ExternalDetector(imported.name, summarise_scores(imported.scores))


def scored_truth(runs):
    return read_score_table(RunFolder(runs / "net-cyborg-seed0").scores / "test.csv").truth


def table(experiment, name):
    with (experiment[0] / f"report/{name}.csv").open() as stream:
        return list(csv.DictReader(stream))


FIGURES = [
    "roc-all",
    "roc-ganA",
    "roc-ganB",
    "roc-se",
    "auc",
    "accuracy",
    "entropy",
    "entropy-auc",
    "agreement-spearman",
    "stability",
    "reliability",
]
TABLES = [
    "runs",
    "summary",
    "scores",
    "sources",
    "paired",
    "epochs",
    "roc",
    "reliability",
    "stability",
    "guidance",
    "images",
    "degraded",
    "degraded_summary",
    "left_out",
    "release_years",
    "annotation_efficiency",
]


class TestReport:
    def test_it_writes_exactly_this(self, experiment):
        names = {path.name for path in (experiment[0] / "report").iterdir()}
        assert names == {f"{name}.csv" for name in TABLES} | {"index.html", "plotly.min.js", "figures"}

    def test_every_figure_is_there_for_the_paper_and_for_the_next_analysis(self, experiment):
        names = {path.name for path in (experiment[0] / "report/figures").iterdir()}
        endings = {f"{key}-net.{ending}" for key in FIGURES for ending in ("pdf", "png", "csv")}
        assert names == endings | {"maps-net.pdf", "maps-net.png"}

    def test_only_finished_runs_count(self, experiment):
        assert len(table(experiment, "runs")) == 6

    def test_means_and_deviations_are_over_seeds(self, experiment):
        row = next(
            r for r in table(experiment, "summary") if (r["scenario"], r["metric"]) == ("cyborg", "auc")
        )
        assert float(row["mean"]) == pytest.approx(np.mean(experiment[1]["cyborg"]))
        assert float(row["sd"]) == pytest.approx(np.std(experiment[1]["cyborg"], ddof=1))

    def test_a_metric_that_is_undefined_is_empty_not_nan(self, experiment):
        row = next(r for r in table(experiment, "summary") if r["metric"] == "eer")
        assert (row["seeds"], row["mean"], row["sd"]) == ("0", "", "")

    def test_scenarios_are_paired_by_seed(self, experiment):
        (row,) = table(experiment, "paired")
        oracle = ttest_rel(experiment[1]["classical"], experiment[1]["cyborg"])
        assert float(row["p_holm"]) == pytest.approx(oracle.pvalue)
        assert float(row["two_minus_one"]) > 0

    def test_the_interval_surrounds_the_auc(self, experiment):
        for row in table(experiment, "runs"):
            assert float(row["auc_low"]) < float(row["auc"]) < float(row["auc_high"])

    @pytest.mark.parametrize("given", ["fpr", "tpr"])
    def test_the_area_under_the_mean_roc_is_the_mean_auc(self, experiment, given):
        wanted = ("cyborg", "all", given)
        rows = [r for r in table(experiment, "roc") if (r["scenario"], r["source"], r["given"]) == wanted]
        missed = [1 - float(r["fpr"]) for r in rows], [float(r["tpr"]) for r in rows]
        assert np.trapezoid(*missed) == pytest.approx(np.mean(experiment[1]["cyborg"]), abs=0.02)

    def test_every_generator_has_its_own_curve(self, experiment):
        assert {row["source"] for row in table(experiment, "roc")} == {"all", "ganA", "ganB"}

    def test_every_generator_has_every_number_by_both_scores(self, experiment):
        rows = [r for r in table(experiment, "scores") if r["run"] == "net-cyborg-seed0"]
        keys = {(row["source"], row["score"]) for row in rows}
        assert keys == {(s, k) for s in ("all", "camera", "ganA", "ganB") for k in ("sigmoid", "softmax")}
        assert all(0 <= float(row["apcer_at_bpcer_0.05"]) <= 1 for row in rows)

    def test_another_detector_stands_beside_them(self, experiment):
        row = next(r for r in table(experiment, "summary") if r["architecture"] == "other")
        assert (row["scenario"], row["metric"]) == ("<i>Theirs</i> $x$", "images")
        assert any(r["scenario"] == row["scenario"] for r in table(experiment, "roc"))

    def test_no_name_becomes_html(self, experiment):
        page = (experiment[0] / "report/index.html").read_text()
        assert "&lt;i&gt;Theirs" in page
        assert "<i>Theirs" not in page

    def test_the_page_draws_every_figure_without_a_network(self, experiment):
        page = (experiment[0] / "report/index.html").read_text()
        assert all(f'data-figure="{key}-net"' in page for key in FIGURES)
        assert "http" not in page

    def test_nothing_finished_is_said(self, tmp_path):
        with pytest.raises(RunError, match="no finished run"):
            gather(tmp_path)

    def test_simulated_people_are_called_so(self, experiment):
        assert SIMULATED in (experiment[0] / "report/index.html").read_text()


class TestExtremes:
    def test_one_seed_that_diverged_is_no_crash_and_no_number(self, tmp_path):
        figures, tables = drawn_of(tmp_path, values=float("nan"))
        (row,) = [row for row in tables["summary"] if row["metric"] == "auc"]
        assert (row["seeds"], row["mean"], row["sd"]) == (0, None, None)
        assert {figure.key for figure in figures if figure.marks}.isdisjoint({"roc-all-net", "auc-net"})
        assert all(figure.marks or figure.note for figure in figures)

    def test_constant_scores_are_the_diagonal(self, tmp_path):
        _, tables = drawn_of(tmp_path, values=0.0)
        assert all(r["tpr"] == pytest.approx(r["fpr"]) for r in tables["roc"])

    def test_many_scenarios_are_told_apart_by_colour_or_dash(self):
        looks = {(colour(style), dash(style, "solid")) for style in range(24)}
        assert len(looks) == 24

    def test_many_long_names_leave_the_plot_its_place(self, tmp_path):
        lines = tuple(Line(f"scenario {i} with a name, validation", i, [0, 1], [i, 0]) for i in range(26))
        assert write_figure(tmp_path, FigureSpec("k", "t", "x", "y", lines))

    def test_a_map_that_is_missing_leaves_its_place_empty(self, tmp_path):
        fake_run(tmp_path, "cyborg", 0, lift=1)
        human = tmp_path / "net-cyborg-seed0/maps/average_human.png"
        human.unlink()
        assert write_average_maps(tmp_path, "maps", gather(tmp_path)) == ["maps.pdf", "maps.png"]
        assert coloured(human) is None

    def test_a_spreadsheet_takes_no_name_for_a_formula(self):
        assert to_csv([{"name": "=cmd()", "x": -1.0}]) == "name,x\n'=cmd(),-1.0\n"


def drawn_of(folder, **options):
    fake_run(folder, "cyborg", 0, lift=0, **options)
    found = gather(folder)
    tables = tables_of(found)
    return figures_of("net", found, tables), tables


class TestFigures:
    def test_the_same_numbers_give_the_same_files(self, tmp_path):
        figure = FigureSpec("k", "Title", "x", "y", (Line("a $x_1$", 0, [0, 1], [0, 1], [0.1, 0.1]),))
        written = [write_figure(tmp_path / name, figure) for name in ("one", "two")]
        assert written[0] == ["k.pdf", "k.png", "k.csv"]
        for name in written[0]:
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    def test_its_numbers_are_beside_it(self):
        figure = FigureSpec("k", "t", "x", "y", (Line("a", 0, [1, 2], [3, 4], [5, 6]),))
        assert [row["spread"] for row in rows_of(figure)] == [5, 6]

    def test_fewer_than_five_runs_are_dots_without_a_box(self):
        kinds = [
            drawn(FigureSpec("k", "t", "", "y", (BoxPlot("a", 0, [0.1] * number),)))["data"][0]["type"]
            for number in (1, 4, 5)
        ]
        assert kinds == ["scatter", "scatter", "box"]

    def test_a_chart_of_one_point_says_so_instead(self, tmp_path):
        figures = {figure.key: figure for figure in drawn_of(tmp_path)[0]}
        for key in ("auc-net", "entropy-auc-net"):
            assert figures[key].marks == ()
            assert "one value" in figures[key].note
        assert figures["roc-all-net"].marks

    def test_one_with_nothing_to_show_is_not_written(self, tmp_path):
        assert write_figure(tmp_path, FigureSpec("k", "t", "x", "y", ())) == []


def auc_of(run, source):
    return run.score_summary.metrics[source, "sigmoid"]["auc"]


class TestLeaveOneSourceOut:
    @pytest.fixture(scope="class")
    @staticmethod
    def runs(tmp_path_factory):
        """Four seeds with both generators, three without `ganA`, of two scenarios."""
        root = tmp_path_factory.mktemp("left_out")
        for scenario, lift in {"classical": 0.5, "cyborg": 2.0}.items():
            for seed in range(4):
                fake_run(root, scenario, seed, lift=lift)
            for seed in range(3):
                fake_run(root, scenario, seed, lift=lift / 2, leave_out="ganA")
        return gather(root)

    def test_each_generator_is_paired_by_seed(self, runs):
        first, _ = left_out_table(runs)
        assert (first["scenario"], first["source"], first["images"], first["seeds"]) == (
            "classical",
            "ganA",
            10,
            3,
        )
        of_scenario = [run for run in runs if run.config.whole_scenario == "classical"]
        without = [auc_of(run, "ganA") for run in of_scenario if run.config.leave_out]
        trained = [auc_of(run, "ganA") for run in of_scenario if not run.config.leave_out][:3]
        assert (first["left_out"], first["trained"]) == (
            pytest.approx(np.mean(without)),
            pytest.approx(np.mean(trained)),
        )
        oracle = ttest_rel(without, trained)
        interval = oracle.confidence_interval()
        assert (first["difference_low"], first["difference_high"], first["p"]) == pytest.approx(
            (interval.low, interval.high, oracle.pvalue)
        )

    def test_p_is_corrected_among_the_rows(self, runs):
        rows = left_out_table(runs)
        assert max(row["p_holm"] for row in rows) >= max(row["p"] for row in rows)
        assert min(row["p_holm"] for row in rows) == pytest.approx(2 * min(row["p"] for row in rows))

    def test_without_a_run_on_all_there_is_no_difference(self, runs):
        first, _ = left_out_table(run for run in runs if run.config.leave_out)
        assert first["left_out"] is not None
        assert (first["seeds"], first["trained"], first["difference"], first["p_holm"]) == (
            3,
            None,
            None,
            None,
        )

    def test_one_seed_has_a_difference_without_an_interval(self, runs):
        first, _ = left_out_table(run for run in runs if run.config.seed == 0)
        assert first["difference"] == pytest.approx(first["left_out"] - first["trained"])
        assert (first["difference_low"], first["p"]) == (None, None)

    def test_other_datasets_are_not_paired(self, runs, tmp_path):
        fake_run(tmp_path, "classical", 0, lift=1, leave_out="ganA")
        record = tmp_path / "net-classical-without-ganA-seed0/run.json"
        record.write_text(record.read_text().replace('"id": "d"', '"id": "another"'))
        both = [*gather(tmp_path), *runs]
        row = next(row for row in left_out_table(both) if row["dataset"] == "another")
        assert (row["seeds"], row["trained"]) == (1, None)

    def test_scenarios_are_compared_among_runs_that_learned_from_the_same(self, runs):
        assert [(row["one"], row["two"]) for row in tables_of(runs)["paired"]] == [
            ("classical", "cyborg"),
            ("classical-without-ganA", "cyborg-without-ganA"),
        ]

    def test_figures_and_annotation_efficiency_are_of_the_runs_on_all(self, runs):
        tables = tables_of(runs)
        assert {row["scenario"] for row in tables["guidance"]} == {"classical", "cyborg"}
        roc = next(figure for figure in figures_of("net", runs, tables) if figure.key == "roc-all-net")
        assert not [mark.name for mark in roc.marks if "without" in mark.name]


class TestStability:
    def test_a_run_agrees_with_itself_and_not_with_its_negative(self):
        maps = {"a": RANDOM.random((7, 7))}
        assert agreement(maps, maps) == pytest.approx(1)
        assert agreement(maps, {"a": -maps["a"]}) == pytest.approx(-1)

    def test_flat_maps_and_other_images_have_none(self):
        flat, other = {"a": np.zeros((7, 7))}, {"b": np.zeros((7, 7))}
        assert agreement(flat, flat) is None
        assert agreement(flat, other) is None

    def test_three_seeds_are_three_pairs(self, experiment):
        rows = stability_table(gather(experiment[0] / "runs"))
        assert [(row["seeds"], row["pairs"]) for row in rows] == [(3, 3), (3, 3)]

    def test_one_seed_has_none(self, tmp_path):
        fake_run(tmp_path, "cyborg", 0, lift=1)
        (row,) = stability_table(gather(tmp_path))
        assert (row["pairs"], row["stability"]) == (0, None)


class TestAnnotationEfficiency:
    def guided(self, auc, **changes):
        row = {
            "architecture": "n",
            "scenario": "cyborg",
            "objective": "cyborg",
            "dataset": "d",
            "images": 100,
        }
        return {**row, "annotated": 50, "annotations": 200.0, "annotators": 4.0, "auc": auc, **changes}

    def plain(self, images, auc):
        return self.guided(auc, scenario="classical", objective="cross_entropy", images=images, annotated=0)

    @pytest.mark.parametrize(
        ("auc", "bound", "images"),
        [(0.6, "exact", 200.0), (0.9, "more", 400.0), (0.3, "fewer", 100.0), (None, "", None)],
    )
    def test_plain_data_are_read_off_the_classical_curve(self, auc, bound, images):
        rows = [self.plain(100, 0.5), self.plain(400, 0.7), self.guided(auc)]
        (row,) = efficiency_table(rows)
        assert row["bound"] == bound
        assert row["matching_images"] == (pytest.approx(images) if images else None)

    def test_without_a_classical_run_nothing_is_claimed(self):
        (row,) = efficiency_table([self.guided(0.6)])
        assert (row["bound"], row["matching_images"], row["factor"]) == ("", None, None)

    def test_a_run_tells_what_it_was_given(self, experiment):
        rows = guidance_table(gather(experiment[0] / "runs"))
        assert {(row["images"], row["annotated"]) for row in rows} == {(40, 20)}


class TestPapers:
    def test_every_published_number_has_a_row_ours_or_not(self):
        rows = comparison([])
        assert len(rows) == len(PUBLISHED)
        assert {row["ran"] for row in rows} == {"not run"}

    def test_a_run_stands_beside_what_it_repeats(self, experiment):
        found = gather(experiment[0] / "runs")
        rows = comparison(found)
        assert [row["what"] for row in rows if not row["paper"]] == ["classical", "cyborg"]
        assert rows[-1]["ours"] == pytest.approx(np.mean(experiment[1]["cyborg"]))
        assert "40 training images" in rows[-1]["ran"]

    def test_the_table_is_markdown_whatever_a_study_is_called(self):
        rows = [{**comparison([])[0], "ran": "a|b\nc"}]
        assert as_markdown(rows).splitlines()[-1].endswith("| a\\|b c |")
