import csv
import json
import math

import numpy as np
import pytest
from scipy.stats import bootstrap, ttest_rel

from training import results
from training.config import RunConfig
from training.errors import RunError
from training.events import Epoch
from training.folder import RunFolder
from training.gallery import picture
from training.report import write_report
from training.statistics import auc_interval, holm, mean_sd, paired_p

RANDOM = np.random.default_rng(0)


class TestAucInterval:
    def test_it_agrees_with_the_bootstrap(self):
        real, fake = RANDOM.normal(size=150), RANDOM.normal(1, 1, size=100)

        def auc(r, f):
            return (f[:, None] > r).mean()

        oracle = bootstrap((real, fake), auc, vectorized=False, n_resamples=500, rng=1, method="percentile")
        low, high = auc_interval([*real, *fake], [False] * 150 + [True] * 100)
        assert low == pytest.approx(oracle.confidence_interval.low, abs=0.015)
        assert high == pytest.approx(oracle.confidence_interval.high, abs=0.015)

    def test_it_stays_within_0_and_1(self):
        assert auc_interval([0, 1, 2, 3], [False, False, True, True]) == (1, 1)

    def test_one_image_of_a_class_has_none(self):
        assert auc_interval([0, 1, 2], [True, False, False]) is None


class TestPaired:
    def test_it_is_scipys(self):
        assert paired_p([1, 2, 4], [2, 4, 5]) == pytest.approx(ttest_rel([1, 2, 4], [2, 4, 5]).pvalue)

    def test_without_variation_it_is_undefined(self):
        assert paired_p([1, 2], [2, 3]) is None
        assert paired_p([1], [2]) is None


class TestHolm:
    def test_by_hand(self):
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])

    def test_what_is_undefined_does_not_count(self):
        assert holm([None, 0.02, 0.5]) == [None, 0.04, 0.5]

    def test_it_never_exceeds_1(self):
        assert holm([0.9, 0.8]) == [1, 1]


def test_one_value_has_no_deviation():
    assert mean_sd([0.5, None]) == (0.5, None, 1)
    assert mean_sd([None]) == (None, None, 0)


def fake_run(root, scenario, seed, *, lift):
    """A finished run that nobody trained: forty images whose scores are as good as `lift` says."""
    folder = RunFolder(root / f"net-{scenario}-seed{seed}")
    config = RunConfig(architecture="net", objective="cyborg", seed=seed, scenario=scenario)
    folder.begin({"config": config.model_dump(mode="json"), "dataset": {}})
    random = np.random.default_rng([seed, len(scenario)])
    rows = ["image_id,path,label,source,logit_real,logit_fake,score_sigmoid,score_softmax"]
    logits = []
    for i in range(40):
        label, source = ("real", "camera") if i % 2 == 0 else ("fake", ("ganA", "ganB")[i // 2 % 2])
        logits.append(random.normal() + lift * (i % 2))
        rows.append(f"i{i},images/i{i}.png,{label},{source},0,{logits[-1]:.9g},0.5,0.5")
    folder.scores.mkdir()
    (folder.scores / "test.csv").write_text("\n".join(rows) + "\n")
    for epoch in (1, 2):
        folder.append(epoch_event(epoch))
    folder.maps.mkdir()
    for name in ("average_all", "average_human"):
        (folder.maps / f"{name}.png").write_bytes(picture(np.random.default_rng(seed).random((7, 7))))
    fakes, reals = np.array(logits[1::2]), np.array(logits[::2])
    auc = float((fakes[:, None] > reals).mean())
    metrics = {"auc": auc, "cam_entropy": 3.0 - lift, "eer": None}
    folder.metrics.write_text(json.dumps({"best_epoch": 2, "splits": {"test": metrics}}))
    return auc


def epoch_event(epoch):
    return Epoch(
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
    write_report(root / "runs", root / "report")
    return root, aucs


def table(experiment, name):
    with (experiment[0] / f"report/{name}.csv").open() as stream:
        return list(csv.DictReader(stream))


class TestReport:
    def test_it_writes_exactly_this(self, experiment):
        names = {path.name for path in (experiment[0] / "report").iterdir()}
        tables = {f"{name}.csv" for name in ("runs", "summary", "paired", "epochs", "roc")}
        assert names == tables | {"index.html", "plotly.min.js", "maps-net.png"}

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

    def test_the_area_under_the_mean_roc_is_the_mean_auc(self, experiment):
        rows = [r for r in table(experiment, "roc") if (r["scenario"], r["source"]) == ("cyborg", "all")]
        area = np.trapezoid([float(r["tpr"]) for r in rows], [float(r["fpr"]) for r in rows])
        assert area == pytest.approx(np.mean(experiment[1]["cyborg"]), abs=0.02)

    def test_every_generator_has_its_own_curve(self, experiment):
        assert {row["source"] for row in table(experiment, "roc")} == {"all", "ganA", "ganB"}

    def test_the_page_shows_every_figure(self, experiment):
        page = (experiment[0] / "report/index.html").read_text()
        for title in (
            "ROC, ganA",
            "Accuracy",
            "Entropy of the maps",
            "Entropy against AUC",
            "AUC over seeds",
        ):
            assert f"<h3>{title}</h3>" in page

    def test_nothing_finished_is_said(self, tmp_path):
        with pytest.raises(RunError, match="no finished run"):
            results.gather(tmp_path)
