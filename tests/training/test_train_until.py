"""Training on generators that were released until a date."""

import csv
from datetime import date

import numpy as np
import pytest

from tests.training.reporting.test_report import fake_run
from tests.training.test_config import MINIMAL
from tests.training.test_left_out import sources
from tests.training.test_main import RECIPE, invoke
from tests.training.test_run import config, run, same, weights
from training.config import RunConfig, load_recipe
from training.data.dataset import load_dataset
from training.data.release_dates import last_day
from training.data.selection import require_images, training_samples
from training.errors import DatasetError, RecipeError
from training.evaluation.score_table import read_score_table
from training.reporting.finished_runs import gather, learned_from_all
from training.reporting.release_years import year_table
from training.reporting.tables import paired_table

DATES = {"ganA": "2018-12", "ganB": "2020"}


class TestDates:
    @pytest.mark.parametrize(
        ("when", "day"),
        [("2019", date(2019, 12, 31)), ("2020-02", date(2020, 2, 29)), ("2020-02-03", date(2020, 2, 3))],
    )
    def test_a_date_stands_for_its_last_day(self, when, day):
        assert last_day(when) == day

    @pytest.mark.parametrize("written", ["2020", '"2020"', '"2020-06"', "2020-06-17"])
    def test_a_recipe_may_write_them_as_toml_does(self, written):
        recipe = load_recipe(MINIMAL + f"train_until = [{written}]\n[released]\nganA = {written}\n")
        assert recipe.train_until == (recipe.released["ganA"],) == (written.strip('"'),)

    @pytest.mark.parametrize(
        "wrong", ['"soon"', '"2019-13"', '"2019-02-30"', '"19"', "true", '"2019-1"', "[]"]
    )
    def test_what_is_no_date_is_refused_with_its_place(self, wrong):
        with pytest.raises(RecipeError, match=r"released\.ganA: "):
            load_recipe(MINIMAL + f"[released]\nganA = {wrong}\n")


@pytest.fixture(scope="module")
def until(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "r"
    run(data, folder, train_until="2019", released=DATES)
    return folder


class TestARun:
    @pytest.mark.parametrize(
        ("split", "met"),
        [("train", {"camera", "ganA"}), ("val", {"camera", "ganA"}), ("test", {"camera", "ganA", "ganB"})],
    )
    def test_it_meets_later_generators_in_the_test_split_alone(self, until, split, met):
        assert sources(until, split) == met

    def test_it_is_a_run_that_leaves_the_later_one_out(self, until, data, tmp_path):
        run(data, tmp_path / "r", leave_out="ganB")
        assert same(weights(tmp_path / "r", "best"), weights(until, "best"))

    @pytest.mark.parametrize(("when", "kept"), [("2018-12", {"ganA"}), ("2019-12-31", {"ganA"})])
    def test_the_date_itself_is_in_time(self, data, when, kept):
        samples = training_samples(config(train_until=when, released=DATES), load_dataset(data))
        assert {one.source for one in samples if one.label == "fake"} == kept

    def test_its_model_card_says_so(self, until, tmp_path):
        invoke("export", until, tmp_path / "model")
        said = "Fake images of generators released after 2019 were in neither training nor validation."
        assert said in (tmp_path / "model/README.md").read_text()


@pytest.mark.parametrize(
    ("when", "released", "reason"),
    [
        ("2019", {"ganA": "2018"}, r"\[released\] has none of ganB"),
        ("2017", DATES, r"leaves train no fake image: the generators are ganA \(2018-12\), ganB \(2020\)"),
        ("2018-11-30", DATES, "leaves train no fake image"),
        ("2021", DATES, "leaves nothing to meet: no generator of the test split is later"),
    ],
)
def test_a_date_that_divides_nothing_is_refused(data, when, released, reason):
    with pytest.raises(DatasetError, match=reason):
        require_images(config(train_until=when, released=released), load_dataset(data))


class TestRecipe:
    def test_the_grid_is_there_with_all_and_until_each_date(self):
        text = 'leave_out = ["ganA"]\ntrain_until = ["2019", "2020-06"]\n[released]\nganA = "2018"\n'
        recipe = load_recipe(MINIMAL + text)
        assert [one.scenario_name for one in recipe.runs()] == [
            "cyborg",
            "cyborg-without-ganA",
            "cyborg-until-2019",
            "cyborg-until-2020-06",
        ]
        assert recipe.count == 4
        assert [one.released for one in recipe.runs()] == [{}, {}, {"ganA": "2018"}, {"ganA": "2018"}]

    def test_a_date_twice_is_refused(self):
        with pytest.raises(RecipeError, match="2019 is in the grid twice"):
            load_recipe(MINIMAL + 'train_until = ["2019", 2019]\n')

    def test_runs_of_earlier_versions_are_read(self):
        old = config().model_dump(mode="json")
        new = ("released", "train_until", "batches", "sample_weights", "sample_weight_priority")
        old = {name: value for name, value in old.items() if name not in (*new, "sample_weight_control")}
        assert RunConfig.model_validate(old) == config()


class TestCommand:
    def test_it_trains_and_reports_by_year(self, data, tmp_path):
        (tmp_path / "r.toml").write_text(RECIPE)
        options = ["--train-until", "2019", "--seeds", 1, "--epochs", 1]
        for name, when in DATES.items():
            options += ["--released", f"{name}={when}"]
        result = invoke("fit", tmp_path / "r.toml", "--data", data, "--out", tmp_path / "runs", *options)
        assert result.exit_code == 0, result.output
        invoke("report", tmp_path / "runs", tmp_path / "report")
        with (tmp_path / "report/release_years.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [(row["scenario"], row["year"], row["side"], row["sources"]) for row in rows] == [
            (scenario, *cell)
            for scenario in ("cross_entropy", "cyborg")
            for cell in (("2018", "until", "ganA"), ("2020", "later", "ganB"))
        ]
        assert "<h2>By year of release</h2>" in (tmp_path / "report/index.html").read_text()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--train-until", "2019", "--released", "ganA"), "given as NAME=DATE, not 'ganA'"),
            (("--train-until", "never"), "a release date is a year, a month or a day such as 2019-12"),
            (("--train-until", "2019"), "[released] has none of ganA, ganB"),
        ],
    )
    def test_a_mistake_is_one_sentence(self, data, tmp_path, options, said):
        (tmp_path / "r.toml").write_text(RECIPE)
        result = invoke("fit", tmp_path / "r.toml", "--data", data, "--dry-run", *options)
        assert result.exit_code == 1
        assert said in " ".join(result.output.split())


class TestTable:
    @pytest.fixture
    def runs(self, tmp_path):
        for seed in range(3):
            fake_run(tmp_path, "s", seed, lift=1.5)
            fake_run(tmp_path, "s", seed, lift=0.5, train_until="2019", released=DATES)
            fake_run(tmp_path, "s", seed, lift=0.5, leave_out="ganA")
        return gather(tmp_path)

    def test_runs_are_compared_by_seed(self, runs):
        before, later = year_table(runs)
        assert (before["year"], before["side"], later["year"], later["side"]) == (
            "2018",
            "until",
            "2020",
            "later",
        )
        assert (later["images"], later["seeds"]) == (10, 3)
        assert later["difference"] == pytest.approx(later["before"] - later["trained"])
        assert later["difference_low"] < later["difference"] < later["difference_high"]
        assert later["p"] <= later["p_holm"]

    def test_generators_of_one_year_count_together(self, tmp_path):
        dates = {"ganA": "2018-03", "ganB": "2018-11"}
        fake_run(tmp_path, "s", 0, lift=1, train_until="2019", released=dates)
        (found,) = gather(tmp_path)
        (row,) = year_table([found])
        scores = read_score_table(found.scores_file)
        fake, real = scores.ranking["sigmoid"][scores.fake], scores.ranking["sigmoid"][~scores.fake]
        assert row["sources"] == "ganA, ganB"
        assert row["before"] == pytest.approx(float(np.mean(fake[:, None] > real)))
        assert (row["trained"], row["p"], row["images"]) == (None, None, 20)

    def test_they_are_in_no_family_and_no_curve_of_runs_with_all(self, runs):
        assert [run.config.scenario_name for run in learned_from_all(runs)] == ["s"] * 3
        assert paired_table(runs) == []
