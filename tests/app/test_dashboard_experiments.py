from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from app.dashboard import experiment_queries as queries
from app.dashboard.recipes import built_in, chosen_recipe
from app.errors import BadInput
from app.models import Dataset, Experiment, JobState, MapSet, Run, RunEvent
from saliency.parameters import MapParameters
from tests.app.factories import StudyFactory

RECIPE = """
name = "mine"
architectures = ["cyborg_tiny"]
objectives = ["cross_entropy", "cyborg"]
seeds = 3
"""


class TestRecipes:
    def test_every_built_in_one_is_offered_with_its_number_of_runs(self):
        assert {one.name: one.runs for one in built_in()}["wacv2023"] == 4 * 3 * 10

    def test_a_pasted_one_counts_before_a_chosen_one(self):
        assert chosen_recipe("smoke", RECIPE).name == "mine"

    def test_a_pasted_path_never_reads_a_file(self, tmp_path):
        (tmp_path / "secret.toml").write_text(RECIPE)
        with pytest.raises(BadInput):
            chosen_recipe("", str(tmp_path / "secret.toml"))

    @pytest.mark.parametrize("name", ["", "../smoke", "/etc/passwd", "nope"])
    def test_only_a_built_in_name_is_a_name(self, name):
        with pytest.raises(BadInput):
            chosen_recipe(name, "")

    def test_a_grid_without_end_is_refused_before_it_is_made(self):
        with pytest.raises(BadInput, match="at most"):
            chosen_recipe("", RECIPE.replace("seeds = 3", "seeds = 9999999999"))


class TestNew:
    def test_a_check_says_what_it_would_run_and_starts_nothing(self, editor, db, dataset):
        page = ask(editor, dataset, action="check").text
        assert "This would be 6 runs" in page
        assert db.scalar(select(func.count()).select_from(Run)) == 0

    def test_a_start_queues_every_run(self, editor, db, dataset):
        answer = ask(editor, dataset, action="start", name="first try")
        experiment = db.scalars(select(Experiment)).one()
        assert answer.headers["location"] == f"/staff/experiments/{experiment.id}"
        assert experiment.name == "first try"
        assert db.scalars(select(Run.state)).all() == [JobState.QUEUED] * 6

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"toml": "= not toml"}, "not valid TOML"),
            ({"toml": RECIPE.replace("cyborg_tiny", "").replace('[""]', "[]")}, "architectures"),
            ({"toml": RECIPE.replace('"cyborg"', '"magic"')}, "magic"),
            ({"dataset": "999999"}, "Choose a dataset"),
        ],
    )
    def test_a_mistake_is_told_and_starts_nothing(self, editor, db, dataset, changes, told):
        answer = ask(editor, dataset, action="start", **changes)
        assert answer.status_code == 422
        assert told in answer.text
        assert db.scalar(select(func.count()).select_from(Experiment)) == 0

    def test_a_stale_dataset_trains_nothing(self, editor, db, dataset):
        dataset.stale = True
        db.commit()
        assert ask(editor, dataset, action="start").status_code == 422

    def test_without_a_dataset_it_says_how_to_get_one(self, editor):
        assert "Freeze a dataset" in editor.get("/staff/experiments/new").text


class TestFreeze:
    def test_a_map_set_that_is_not_built_freezes_nothing(self, editor, db, map_set):
        map_set.state = JobState.RUNNING
        db.commit()
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        answer = editor.post("/staff/experiments/datasets", data=form)
        assert "not built" in answer.text

    @pytest.mark.parametrize("wrong", [{"size": "1"}, {"val": "0.9", "test": "0.9"}, {"seed": "x"}])
    def test_shares_and_sizes_that_cannot_be_are_told(self, editor, db, map_set, wrong):
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        assert editor.post("/staff/experiments/datasets", data=form | wrong).status_code == 422
        assert db.scalar(select(func.count()).select_from(Dataset)) == 0


class TestList:
    def test_states_are_counted_per_experiment(self, db, experiment):
        (line,) = queries.experiments(db)
        assert (line.runs, line.ended) == (3, 2)

    def test_it_shows_experiments_and_datasets(self, editor, experiment, dataset):
        page = editor.get("/staff/experiments").text
        assert experiment.name in page
        assert dataset.content_hash[:8] in page

    def test_work_of_programs_is_labelled(self, editor, db, dataset):
        assert ">simulated<" not in editor.get("/staff/experiments").text
        dataset.parameters = {**dataset.parameters, "simulated_annotations": 3}
        db.commit()
        assert ">simulated<" in editor.get("/staff/experiments").text


class TestExperiment:
    def test_it_sums_up_the_seeds(self, editor, experiment):
        page = editor.get(f"/staff/experiments/{experiment.id}").text
        assert "0.700" in page
        assert "± 0.141" in page  # of 0.6 and 0.8

    def test_an_unknown_one_is_not_found(self, editor):
        assert editor.get("/staff/experiments/999").status_code == 404

    def test_it_tells_its_states_to_a_page_that_waits(self, editor, experiment):
        states = editor.get(f"/staff/experiments/{experiment.id}/state.json").json()
        assert states == {"succeeded": 2, "queued": 1}

    def test_aborting_it_ends_what_has_not_ended(self, editor, db, experiment):
        editor.post(f"/staff/experiments/{experiment.id}/abort")
        states = db.scalars(select(Run.state).execution_options(populate_existing=True)).all()
        assert sorted(states) == ["aborted", "succeeded", "succeeded"]


class TestRun:
    def test_it_shows_the_auc_of_every_source(self, editor, run):
        page = editor.get(f"/staff/runs/{run.id}").text
        assert "stylegan2" in page
        assert "0.654" in page

    def test_its_metrics_are_read_by_source_and_split(self):
        metrics = {"test/auc": 0.5, "test/auc_sigmoid/gan": 0.7, "val/auc_sigmoid/gan": None, "best_epoch": 3}
        assert queries.aucs_by_source(metrics, "sigmoid") == [
            queries.SourceAuc("gan", {"test": 0.7, "val": None})
        ]

    def test_a_run_without_metrics_has_none_by_source(self):
        assert queries.aucs_by_source(None, "sigmoid") == []

    def test_events_come_once_and_in_order(self, editor, db, run):
        first, second = tell(db, run, "started"), tell(db, run, "epoch", epoch=1)
        answer = events(editor, run)
        assert [event["id"] for event in answer["events"]] == [first.id, second.id]
        assert [event["id"] for event in events(editor, run, after=first.id)["events"]] == [second.id]

    def test_events_of_other_runs_stay_away(self, editor, db, experiment, run):
        other = db.scalar(select(Run).where(Run.id != run.id))
        tell(db, other, "epoch", epoch=1)
        assert events(editor, run)["events"] == []

    def test_an_ended_run_is_done(self, editor, db, experiment, run):
        waiting = db.scalar(select(Run).where(Run.state == JobState.QUEUED))
        assert events(editor, run)["done"] is True
        assert events(editor, waiting)["done"] is False

    def test_a_long_history_comes_in_parts(self, editor, db, run, monkeypatch):
        monkeypatch.setattr(queries, "MOST_EVENTS", 2)
        told = [tell(db, run, "epoch", epoch=n).id for n in range(3)]
        first = events(editor, run)
        assert ([event["id"] for event in first["events"]], first["done"]) == (told[:2], False)
        rest = events(editor, run, after=told[1])
        assert ([event["id"] for event in rest["events"]], rest["done"]) == (told[2:], True)

    def test_of_its_steps_only_the_last_is_told(self, editor, db, run):
        epoch = tell(db, run, "epoch", epoch=1)
        steps = [tell(db, run, "step", epoch=2, step=n).id for n in range(3)]
        assert [event["id"] for event in events(editor, run)["events"]] == [epoch.id, steps[-1]]
        assert events(editor, run, after=steps[-1])["events"] == []

    def test_a_stranger_hears_nothing(self, client, run):
        assert client.get(f"/staff/runs/{run.id}/events").status_code == 401

    def test_a_run_that_has_ended_cannot_be_aborted(self, editor, run):
        assert editor.post(f"/staff/runs/{run.id}/abort").status_code == 409

    def test_an_unknown_run_is_not_found(self, editor):
        assert editor.get(f"/staff/runs/{uuid4()}").status_code == 404


class TestHome:
    def test_runs_under_way_come_before_those_that_ended(self, editor, experiment):
        page = editor.get("/staff").text
        assert page.index("seed 2") < page.index("seed 0")


def ask(editor, dataset, /, **changes):
    form = {"dataset": dataset.id, "recipe": "smoke", "toml": RECIPE, "name": "", "action": "check"}
    return editor.post("/staff/experiments/new", data=form | changes)


def tell(db, run, kind, **payload):
    event = RunEvent(run_id=run.id, kind=kind, payload=payload)
    db.add(event)
    db.commit()
    return event


def events(client, run, after=0):
    return client.get(f"/staff/runs/{run.id}/events?after={after}").json()


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def map_set(db):
    made = MapSet(
        study_id=StudyFactory().id,
        version=1,
        parameters=MapParameters().to_dict(),
        state=JobState.SUCCEEDED,
        built_at=datetime.now(UTC),
    )
    db.add(made)
    db.commit()
    return made


@pytest.fixture
def dataset(db, map_set, tmp_path):
    made = Dataset(
        content_hash="0123456789abcdef" * 4,
        study_id=map_set.study_id,
        map_set_id=map_set.id,
        folder=str(tmp_path),
        parameters={"size": 64, "simulated_annotations": 0},
        counts={"train": {"images": 8, "real": 4, "fake": 4, "with_map": 6}},
    )
    db.add(made)
    db.commit()
    return made


@pytest.fixture
def experiment(db, dataset):
    """Two seeds have succeeded, a third one waits."""
    made = Experiment(name="grid", dataset_id=dataset.id, recipe={})
    db.add(made)
    db.flush()
    for seed, auc in enumerate((0.6, 0.8, None)):
        metrics = {"test/auc": auc, "test/auc_sigmoid/stylegan2": 0.654} if auc else None
        db.add(
            Run(
                experiment_id=made.id,
                architecture="cyborg_tiny",
                objective="cyborg",
                seed=seed,
                config={"score": "sigmoid"},
                folder="runs",
                state=JobState.SUCCEEDED if auc else JobState.QUEUED,
                metrics=metrics,
                ended_at=datetime.now(UTC) if auc else None,
            )
        )
    db.commit()
    return made


@pytest.fixture
def run(db, experiment):
    return db.scalar(select(Run).where(Run.seed == 0))
