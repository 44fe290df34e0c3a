import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from accuracy.shortcuts.audit import GroupFinding, ShortcutAudit
from accuracy.statistics.cross_validation import SeparationEstimate
from app.dashboard.experiments import queries, tables
from app.dashboard.experiments.recipes import built_in, chosen_recipe
from app.errors import BadInput
from app.experiments import background_tasks
from app.experiments.background_tasks import SCORES_KEPT, delete_old_scores, do_task
from app.models import (
    BackgroundTask,
    Dataset,
    Detector,
    Experiment,
    Image,
    JobState,
    Label,
    MapSet,
    Role,
    Run,
    RunEvent,
    Split,
)
from saliency.parameters import MapParameters
from tests.support.factories import ImageFactory, StudyFactory
from tests.support.grids import PICTURE, SCORES, make_trained
from tests.support.pages import read
from tests.support.worlds import make_dataset
from tests.training.conftest import fill
from tests.training.reporting.test_degraded import HARM, degrade
from tests.training.test_run import run as train
from training.data.dataset import DatasetWriter

ANSWER = {"logit_real": -1, "logit_fake": 2, "score_sigmoid": 0.875, "score_softmax": 0.95}
PICTURES = {"entropy": 1.5, "side": 32, "seen": "c2Vlbg==", "cam": ""}
ECHO = (sys.executable, "-c", f"print({json.dumps(json.dumps(ANSWER | PICTURES))})")

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
        assert chosen_recipe("smoke", RECIPE) == chosen_recipe("smoke", "\ufeff" + RECIPE)
        assert chosen_recipe("smoke", RECIPE).name == "mine"

    def test_a_pasted_path_never_reads_a_file(self, tmp_path):
        (tmp_path / "secret.toml").write_text(RECIPE)
        with pytest.raises(BadInput):
            chosen_recipe("", str(tmp_path / "secret.toml"))

    @pytest.mark.parametrize("weights", ["/etc/shadow", "../../runs/theirs"])
    def test_a_pasted_recipe_names_no_file_of_the_server(self, weights):
        with pytest.raises(BadInput, match="may not name files of the server"):
            chosen_recipe("", f'{RECIPE}\n[run]\nweights = "{weights}"\n')

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

    def test_a_check_names_the_optimiser(self, editor, db, dataset):
        adam = RECIPE + '\n[run.optimiser]\nname = "adam"\nmomentum = 0.8\n'
        assert "SGD, rate 0.005" in ask(editor, dataset, action="check").text
        page = ask(editor, dataset, action="check", toml=adam).text
        assert "Adam, rate 0.005" in page
        assert "β₁ 0.8" in page
        assert "momentum" not in page.partition("<dl")[2].partition("</dl>")[0]

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

    @pytest.mark.parametrize("action", ["check", "start"])
    def test_an_objective_without_a_map_to_compare_with_is_refused(self, editor, db, dataset, action):
        counts = {split: {**row, "with_map": 0} for split, row in dataset.counts.items()}
        dataset.counts = counts
        db.commit()
        answer = ask(editor, dataset, action=action)
        assert answer.status_code == 422
        assert (
            "cyborg compares with human maps, and no training image of this dataset has one." in answer.text
        )
        assert db.scalar(select(func.count()).select_from(Experiment)) == 0

    def test_a_check_names_the_first_weights_and_what_pictures_become(self, editor, dataset):
        page = ask(editor, dataset, action="check", toml="", recipe="wacv2023_controls").text
        assert "densenet121.tv_in1k, resnet50.tv_in1k, inception_v3.tv_in1k, legacy_xception.tf_in1k" in page
        assert "resized by pil_bilinear; maps of the released tensor" in page

    def test_without_a_dataset_it_says_how_to_get_one(self, editor):
        assert read(editor.get("/staff/experiments/new")).text(".empty a") == "Freeze a dataset"


class TestDataset:
    def test_its_page_and_the_api_say_by_what_labels_can_be_told(self, editor, db, map_set, tmp_path):
        dataset = make_dataset(db, map_set, tmp_path)
        told = GroupFinding("background", SeparationEstimate(0.93, 0.88, 0.97), {})
        guessed = GroupFinding("size", SeparationEstimate(0.5, 0.41, 0.59), {})
        dataset.audit = ShortcutAudit(30, 31, 61, (told, guessed), ("encoding",)).as_record()
        db.commit()
        sentence = "told apart by the background at the border: AUC .930 (.880 to .970)."
        page = editor.get(f"/staff/experiments/datasets/{dataset.id}").text
        assert sentence in page
        assert "Not known of every image: how the files are compressed" in page
        assert (
            f'href="/staff/experiments/datasets/{dataset.id}#audit"' in editor.get("/staff/experiments").text
        )
        answer = editor.get(f"/api/datasets/{dataset.id}/audit").json()
        assert answer["warnings"] == [f"Real and fake images can be {sentence}"]

    def test_without_an_audit_it_says_why(self, editor, db, map_set, tmp_path):
        dataset = make_dataset(db, map_set, tmp_path)
        assert "There is none: it needs" in editor.get(f"/staff/experiments/datasets/{dataset.id}").text
        assert editor.get(f"/api/datasets/{dataset.id}/audit").json() is None


class TestFreeze:
    def test_a_map_set_that_is_not_built_freezes_nothing(self, editor, db, map_set):
        map_set.state = JobState.RUNNING
        db.commit()
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        answer = editor.post("/staff/experiments", data=form)
        assert "not built" in answer.text

    @pytest.mark.parametrize("wrong", [{"size": "1"}, {"val": "0.9", "test": "0.9"}, {"seed": "x"}])
    def test_shares_and_sizes_that_cannot_be_are_told(self, editor, db, map_set, wrong):
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        assert editor.post("/staff/experiments", data=form | wrong).status_code == 422
        assert db.scalar(select(func.count()).select_from(Dataset)) == 0

    def test_it_is_left_to_a_worker_and_the_page_says_so(self, editor, db, map_set):
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        answer = editor.post("/staff/experiments", data=form)
        assert answer.headers["location"] == "/staff/experiments#freezes"
        task = db.scalars(select(BackgroundTask)).one()
        assert task.state is JobState.QUEUED
        page = editor.get("/staff/experiments").text
        assert "waits for a worker" in page
        assert editor.get("/staff/experiments/datasets/state.json").json() == {
            str(task.id): {"state": "queued", "done": 0, "total": 0}
        }

    def test_what_has_ended_is_not_being_frozen(self, editor, db, map_set, dataset):
        ended = {"kind": "freeze", "arguments": {"map_set": map_set.id}, "ended_at": datetime.now(UTC)}
        db.add(BackgroundTask(**ended, state=JobState.SUCCEEDED, result={"dataset": dataset.id}))
        db.add(BackgroundTask(**ended, state=JobState.FAILED, error="No space left."))
        db.commit()
        page = editor.get("/staff/experiments").text
        assert "Being frozen" not in page
        assert "could not be frozen" in page
        assert 'badge--ok">new' in page

    def test_images_that_no_study_shows_become_test_images_at_once(self, editor, db, map_set):
        free = [ImageFactory(label=label).id for label in Label]
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        editor.post("/staff/experiments", data=form | {"test_on_unshown": "true"})
        assert list(db.scalars(select(Image.split).where(Image.id.in_(free)))) == [Split.TEST] * 2
        assert db.scalar(select(func.count()).select_from(BackgroundTask)) == 1

    @pytest.mark.parametrize("obstacle", ["map set", "label"])
    def test_a_freeze_that_is_refused_sets_nothing_aside(self, editor, db, map_set, obstacle):
        for label in Label if obstacle == "map set" else [Label.FAKE]:
            ImageFactory(label=label)
        map_set.stale = obstacle == "map set"
        db.commit()
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        answer = editor.post("/staff/experiments", data=form | {"test_on_unshown": "true"})
        told = "build again" if obstacle == "map set" else "there is no real image that no study shows"
        assert (answer.status_code, told in answer.text) == (422, True)
        if obstacle == "label":
            assert read(answer).has("input[name=test_on_unshown][checked]")
        db.expire_all()
        assert set(db.scalars(select(Image.split))) == {None}

    def test_one_that_waits_can_be_aborted_from_the_page(self, editor, db, map_set):
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        editor.post("/staff/experiments", data=form)
        task = db.scalars(select(BackgroundTask)).one()
        address = f"/staff/tasks/{task.id}/abort"
        assert f'action="{address}"' in editor.get("/staff/experiments").text
        assert editor.post(address).headers["location"] == "/staff/experiments"
        db.refresh(task)
        assert task.state is JobState.ABORTED
        assert editor.post(address).status_code == 409

    def test_asking_twice_freezes_once(self, editor, db, map_set):
        form = {"map_set": map_set.id, "size": "64", "val": "0.2", "test": "0.2", "seed": "0"}
        for _ in range(2):
            editor.post("/staff/experiments", data=form)
        assert db.scalar(select(func.count()).select_from(BackgroundTask)) == 1


class TestList:
    def test_states_are_counted_per_experiment(self, db, experiment):
        (line,) = queries.experiments(db)
        assert (line.runs, line.ended) == (3, 2)

    def test_it_shows_experiments_and_datasets(self, editor, experiment, dataset):
        page = editor.get("/staff/experiments").text
        assert experiment.name in page
        assert dataset.content_hash[:8] in page

    def test_work_of_programs_is_labelled(self, editor, db, dataset):
        assert not read(editor.get("/staff/experiments")).has(".badge--simulated")
        dataset.parameters = {**dataset.parameters, "simulated_annotations": 3}
        db.commit()
        assert read(editor.get("/staff/experiments")).has(".badge--simulated")


class TestExperiment:
    def test_it_sums_up_the_seeds(self, editor, experiment):
        page = editor.get(f"/staff/experiments/{experiment.id}").text
        assert "0.700" in page
        assert "± 0.141" in page  # of 0.6 and 0.8

    def test_an_unknown_one_is_not_found(self, editor):
        assert editor.get("/staff/experiments/999").status_code == 404

    def test_it_tells_its_states_to_a_page_that_waits(self, editor, experiment):
        states = editor.get(f"/staff/experiments/{experiment.id}/state.json").json()
        assert states == {"runs": {"state": "1 queued, 2 succeeded", "done": 2, "total": 3}}

    def test_aborting_it_ends_what_has_not_ended(self, editor, db, experiment):
        editor.post(f"/staff/experiments/{experiment.id}/abort")
        states = db.scalars(select(Run.state).execution_options(populate_existing=True)).all()
        assert sorted(states) == ["aborted", "succeeded", "succeeded"]


class TestOutcome:
    def test_a_run_whose_folder_is_gone_is_named_and_hides_no_page(self, editor, experiment):
        page = editor.get(f"/staff/experiments/{experiment.id}/details").text
        assert "2 finished runs cannot be read" in page

    def test_its_numbers_come_by_generator_with_their_differences(self, editor, trained):
        page = editor.get(f"/staff/experiments/{trained.id}/details").text
        for words in ("ganA", "ganB", "camera", "sigmoid", "softmax", "APCER", "+0."):
            assert words in page

    def test_what_is_to_be_known_of_its_maps_stands_before_its_numbers(self, editor, db, trained):
        (folder, *_) = db.scalars(select(Run.folder).where(Run.experiment_id == trained.id)).all()
        record = json.loads((Path(folder) / "run.json").read_text())
        said = "Only fake images have a map, 5 of 16 training images."
        (Path(folder) / "run.json").write_text(json.dumps(record | {"cautions": [said]}))
        page = editor.get(f"/staff/experiments/{trained.id}/details").text
        assert page.index(said) < page.index("Differences")

    def test_the_answer_stands_first_with_interval_and_test_images(self, editor, trained):
        answer, _, tables = editor.get(f"/staff/experiments/{trained.id}/details").text.partition(
            'data-into="details"'
        )
        assert "95 % interval" in answer
        assert "Test images" in answer
        assert "By generator" in tables

    def test_the_table_of_aucs_names_its_score(self, editor, trained):
        assert "of the sigmoid score on the test split" in editor.get(f"/staff/experiments/{trained.id}").text

    def test_what_degraded_images_do_to_it_is_a_table_with_figures(self, editor, db, trained):
        address = f"/staff/experiments/{trained.id}"
        assert "Degraded images" not in editor.get(f"{address}/details").text
        for run in db.query(Run).filter_by(experiment_id=trained.id, scenario="cyborg"):
            degrade(Path(run.folder), run.seed)
        table = read(editor.get(f"{address}/details")).text("section[aria-labelledby=degraded]")
        assert "net · cyborgphotos, testjpeg:30260" in table
        keys = [figure["key"] for figure in editor.get(f"{address}/figures.json").json()["figures"]]
        assert {"degraded-auc-jpeg-net", "degraded-balanced_accuracy-jpeg-net"} <= set(keys)
        rows = editor.get(f"/api/experiments/{trained.id}/degraded").json()
        assert [row["degradation"] for row in rows] == list(HARM)
        assert {(row["scenario"], row["seeds"], row["intervals_over"]) for row in rows} == {
            ("cyborg", 2, "seeds")
        }

    def test_its_figures_are_for_plotly(self, editor, trained):
        answer = editor.get(f"/staff/experiments/{trained.id}/figures.json?source=ganA").json()
        keys = {figure["key"] for figure in answer["figures"]}
        assert (answer["architectures"], answer["sources"]) == (["net"], ["ganA", "ganB"])
        assert {"roc-all-net", "roc-ganA-net", "roc-se-net", "auc-net", "entropy-auc-net"} <= keys
        assert "roc-ganB-net" not in keys

    @pytest.mark.parametrize("asked", ["?architecture=<x>&source='", "?source=nope"])
    def test_an_unknown_choice_shows_the_first(self, editor, trained, asked):
        answer = editor.get(f"/staff/experiments/{trained.id}/figures.json{asked}").json()
        assert answer["architecture"] == "net"

    def test_without_a_finished_run_there_is_nothing_to_draw(self, editor, db, experiment):
        for run in db.scalars(select(Run)):
            run.state = JobState.ABORTED
        db.commit()
        assert editor.get(f"/staff/experiments/{experiment.id}/figures.json").json()["figures"] == []
        assert editor.get(f"/staff/experiments/{experiment.id}").status_code == 200
        assert "No run has finished" in editor.get(f"/staff/experiments/{experiment.id}/details").text

    def test_tables_are_files(self, editor, trained):
        answer = editor.get(f"/staff/experiments/{trained.id}/tables/sources.csv")
        assert answer.headers["content-type"].startswith("text/csv")
        assert "apcer_at_bpcer_0.05" in answer.text
        assert editor.get(f"/staff/experiments/{trained.id}/tables/../secret.csv").status_code == 404
        assert editor.get(f"/staff/experiments/{trained.id}/tables/nope.csv").status_code == 404

    def test_its_average_maps_are_shown_human_first(self, editor, trained):
        page = editor.get(f"/staff/experiments/{trained.id}").text
        assert page.index("average_human.png") < page.index("average_all.png")

    def test_an_average_map_is_a_picture_and_no_other_file_is(self, editor, db, trained):
        run = db.scalars(select(Run).where(Run.experiment_id == trained.id)).first()
        answer = editor.get(f"/staff/runs/{run.id}/maps/average_human.png")
        assert answer.content.startswith(b"\x89PNG")
        for name in ("index", "..%2f..%2frun", "average_nobody"):
            assert editor.get(f"/staff/runs/{run.id}/maps/{name}.png").status_code == 404

    def test_a_stranger_sees_nothing(self, client, trained):
        for path in ("", "/details", "/figures.json", "/tables/runs.csv"):
            assert client.get(f"/staff/experiments/{trained.id}{path}").status_code == 401


class TestDetectors:
    def test_one_enters_by_its_scores_and_is_in_every_table(self, editor, trained):
        page = send(editor, trained, SCORES, name="<b>Theirs</b>").text
        assert "&lt;b&gt;Theirs" in page
        assert "<b>Theirs" not in page
        assert "&lt;b&gt;Theirs" in editor.get(f"/staff/experiments/{trained.id}/details").text
        answer = editor.get(f"/staff/experiments/{trained.id}/details").text.partition('data-into="details"')[
            0
        ]
        assert "&lt;b&gt;Theirs" in answer.partition("Imported detectors")[2]
        figures = editor.get(f"/staff/experiments/{trained.id}/figures.json").json()["figures"]
        assert any(trace.get("name") == "&lt;b&gt;Theirs&lt;/b&gt;" for trace in figures[0]["data"])

    def test_the_same_scores_again_change_nothing_and_others_are_refused(self, editor, db, trained):
        send(editor, trained, SCORES)
        assert "1 detector is in the comparison" in send(editor, trained, SCORES).text
        assert "choose another name" in send(editor, trained, SCORES.replace("0.9", "0.7")).text
        assert db.scalar(select(func.count()).select_from(Detector)) == 1

    def test_a_mistake_names_its_line_and_imports_nothing(self, editor, db, trained):
        assert "line 3" in send(editor, trained, SCORES.replace("0.9", "many")).text
        assert db.scalar(select(func.count()).select_from(Detector)) == 0

    def test_a_file_of_many_says_so_in_a_notice_that_a_browser_keeps(self, editor, trained):
        lines = SCORES.splitlines()[1:]
        many = "\n".join(
            ["detector,image,score", *(f"{'d' * 40}{n},{line}" for n in range(60) for line in lines)]
        )
        page = send(editor, trained, many).text
        assert "60 detectors are in the comparison" in page
        assert "…" in page

    def test_it_can_be_taken_out_again(self, editor, db, trained):
        send(editor, trained, SCORES)
        editor.post(f"/staff/experiments/{trained.id}/detectors/forget", data={"name": "cnn"})
        assert db.scalar(select(func.count()).select_from(Detector)) == 0

    def test_a_dataset_whose_folder_is_gone_is_said(self, editor, experiment):
        assert "is not a dataset folder" in send(editor, experiment, SCORES).text


class TestModel:
    def test_it_tells_what_the_detector_is(self, editor, db, trained):
        page = editor.get(model_of(db, trained)).text
        for words in ("ganA", "95 % interval", "dataset", "Try it on an image"):
            assert words in page

    def test_a_run_that_has_not_finished_cannot_be_tried(self, editor, db, experiment):
        waiting = db.scalar(select(Run).where(Run.state == JobState.QUEUED))
        assert "cannot be tried" in editor.get(f"/staff/runs/{waiting.id}/model").text
        answer = drop(editor, f"/staff/runs/{waiting.id}/model", PICTURE)
        assert (answer.status_code, "when it has finished" in answer.text) == (422, True)

    def test_a_dropped_image_gets_its_score_and_its_map(self, editor, db, trained, look):
        assert drop(editor, model_of(db, trained), PICTURE, face="10, 10, 20, 20").status_code == 303
        assert "Scoring face.png" in editor.get(model_of(db, trained)).text
        look(ECHO)
        page = editor.get(model_of(db, trained)).text
        for words in (
            "0.875",
            "fake",
            "32 × 32 pixels of 48 × 40, cut out",
            "data:image/png;base64,c2Vlbg==",
        ):
            assert words in page

    def test_the_image_is_forgotten_once_it_is_scored_and_the_answer_soon(self, editor, db, trained, look):
        drop(editor, model_of(db, trained), PICTURE)
        assert "image" in db.scalars(select(BackgroundTask.arguments)).one()
        look(ECHO)
        assert "image" not in db.scalars(select(BackgroundTask.arguments)).one()
        delete_old_scores(db)
        assert db.scalar(select(func.count()).select_from(BackgroundTask)) == 1
        db.execute(update(BackgroundTask).values(created_at=datetime.now(UTC) - SCORES_KEPT))
        delete_old_scores(db)
        assert db.scalar(select(func.count()).select_from(BackgroundTask)) == 0

    def test_an_abort_deletes_the_image(self, editor, db, trained):
        drop(editor, model_of(db, trained), PICTURE)
        task = db.scalars(select(BackgroundTask)).one()
        editor.post(f"/staff/tasks/{task.id}/abort")
        db.refresh(task)
        assert (task.state, "image" in task.arguments) == (JobState.ABORTED, False)
        assert "No score" not in editor.get(model_of(db, trained)).text

    def test_a_viewer_aborts_what_they_asked_for_and_nothing_else(self, log_in, db, trained):
        viewer = log_in(Role.VIEWER)
        drop(viewer, model_of(db, trained), PICTURE)
        own = db.scalars(select(BackgroundTask)).one()
        db.add(other := BackgroundTask(kind="export", arguments={"run": own.arguments["run"]}))
        db.commit()
        assert viewer.post(f"/staff/tasks/{other.id}/abort").status_code == 403
        assert viewer.post(f"/staff/tasks/{own.id}/abort").status_code == 303

    def test_nobody_else_sees_the_answer(self, editor, log_in, db, trained, look):
        drop(editor, model_of(db, trained), PICTURE)
        look(ECHO)
        assert "0.875" not in log_in(Role.VIEWER).get(model_of(db, trained)).text

    def test_a_detector_that_is_real_answers(self, editor, db, trained, look, tmp_path):
        with DatasetWriter(tmp_path / "small", study="s", map_set="m") as writer:
            fill(writer, train=8, val=4, test=4)
        train(tmp_path / "small", tmp_path / "real", epochs=1)
        db.execute(update(Run).values(folder=str(tmp_path / "real")))
        drop(editor, model_of(db, trained), PICTURE)
        look()
        assert "Where it looked; entropy" in editor.get(model_of(db, trained)).text

    @pytest.mark.parametrize(
        ("content", "face", "told"),
        [
            (b"not an image", "", "is not an image"),
            (b"", "", "is empty"),
            (PICTURE, "1, 2, 3", "four numbers"),
            (PICTURE, "900, 900, 10, 10", "does not meet"),
            (PICTURE, "nan nan nan nan", "does not meet"),
        ],
    )
    def test_what_cannot_be_scored_is_told_in_one_sentence(self, editor, db, trained, content, face, told):
        answer = drop(editor, model_of(db, trained), content, face=face)
        assert (answer.status_code, told in answer.text) == (422, True)

    @pytest.mark.parametrize(
        ("says", "told"),
        [
            ("import sys; sys.exit('Error: The checkpoint is of another network.')", "another network"),
            ("import sys; sys.exit(3)", "exit code 3"),
            ("print('hello')", "no answer that can be read"),
            ("print('{}')", "cannot be used"),
        ],
    )
    def test_a_child_that_fails_is_told(self, editor, db, trained, look, says, told):
        drop(editor, model_of(db, trained), PICTURE)
        look((sys.executable, "-c", says))
        assert told in editor.get(model_of(db, trained)).text

    def test_an_export_is_left_to_a_worker_once(self, editor, db, trained):
        for _ in range(2):
            editor.post(f"{model_of(db, trained)}/export")
        assert db.scalar(select(func.count()).select_from(BackgroundTask)) == 1
        assert "This page follows" in editor.get(model_of(db, trained)).text
        assert editor.get(f"{model_of(db, trained)}/detector.zip").status_code == 404


class TestRun:
    def test_it_shows_the_auc_of_every_source(self, editor, run):
        page = editor.get(f"/staff/runs/{run.id}").text
        assert "stylegan2" in page
        assert "0.654" in page

    def test_its_metrics_are_read_by_source_and_split(self):
        metrics = {"test/auc": 0.5, "test/auc_sigmoid/gan": 0.7, "val/auc_sigmoid/gan": None, "best_epoch": 3}
        assert tables.aucs_by_source(metrics, "sigmoid") == [
            tables.SourceAuc("gan", {"test": 0.7, "val": None})
        ]

    def test_a_run_without_metrics_has_none_by_source(self):
        assert tables.aucs_by_source(None, "sigmoid") == []

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
        assert [event["id"] for event in first["events"]] == told[:2]
        assert (first["done"], first["more"]) == (False, True)
        rest = events(editor, run, after=told[1])
        assert [event["id"] for event in rest["events"]] == told[2:]
        assert (rest["done"], rest["more"]) == (True, False)

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


@pytest.fixture
def look(db, session_factory, blobs, monkeypatch):
    """Do what a worker does with the image, with another program instead of the detector."""

    def look(command=None):
        if command:
            monkeypatch.setattr(background_tasks, "SCORE", command)
        do_task(session_factory, blobs, db.scalars(select(BackgroundTask.id)).one())
        db.expire_all()

    return look


def send(client, experiment, text, name=""):
    files = {"file": ("cnn.csv", text.encode(), "text/csv")}
    address = f"/staff/experiments/{experiment.id}/scores"
    return client.post(address, files=files, data={"name": name}, follow_redirects=True)


def drop(client, address, content, face=""):
    return client.post(address, files={"image": ("face.png", content)}, data={"face": face})


def model_of(db, experiment):
    run = db.scalars(select(Run).where(Run.experiment_id == experiment.id).order_by(Run.seed)).first()
    return f"/staff/runs/{run.id}/model"


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
    return make_dataset(db, map_set, tmp_path)


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
                scenario="cyborg",
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


@pytest.fixture
def trained(db, dataset, tmp_path):
    return make_trained(db, dataset, tmp_path)
