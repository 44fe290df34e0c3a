"""`cyborg --server …`: the same commands on another server, over its API."""

import json
import os
import re
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from types import SimpleNamespace

import httpx2
import pytest
from PIL import Image as Picture
from sqlalchemy import delete, select
from typer.testing import CliRunner

from app.accounts.token_service import create_token
from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.cli.experiments import number_of_dataset
from app.cli.remote import Remote
from app.errors import BadInput
from app.experiments.detectors import ImportSummary
from app.exports.dictionary import DECISIONS
from app.models import (
    Alert,
    AlertDelivery,
    AlertKind,
    AlertReceiver,
    AlertTurn,
    BackgroundTask,
    Dataset,
    FaceOrigin,
    Image,
    JobState,
    Listing,
    MapSet,
    PaymentKind,
    Role,
    Run,
    SaliencyMap,
    TokenScope,
)
from app.models.trials import SET_ASIDE
from app.quality.service import set_aside
from app.studies.versions import record
from saliency.parameters import MapParameters
from tests.app.recruitment.conftest import TERMS, draft, lab, no_waiting, prolific, settings  # noqa: F401
from tests.support.factories import ImageFactory, ParticipantFactory, StaffFactory
from tests.support.portraits import draw_portrait
from tests.support.worlds import make_dataset, make_images, make_study

WHY = "Four of the five attention checks were wrong, and no answer took more than half a second of your time."
DRAFT = """
slug = "first"
title = "First"
trials_per_participant = 2
judgements = 1

[pairs]
per_source = 2
"""
JUDGED = 40
OFFER = ("--places", "5", "--reward", "150", "--minutes", "10", "--description", "Judge faces.")


@pytest.fixture
def cyborg(client, db, monkeypatch):
    """Runs a command against the application, without a network between them."""
    admin = StaffFactory(role=Role.ADMIN)
    scopes = [TokenScope.EDIT, TokenScope.PAYMENTS]
    token = create_token(db, admin, name="t", scopes=scopes, lifetime=timedelta(days=1))
    db.commit()

    def request(method, url, *, timeout, **content):
        return client.request(method, url, **content)

    monkeypatch.setattr(httpx2, "request", request)
    monkeypatch.setenv("CYBORG_SERVER", str(client.base_url))
    monkeypatch.setenv("CYBORG_TOKEN", token)

    def run(*arguments, text=""):
        return CliRunner().invoke(app, list(arguments), input=text)

    return run


class TestRecruiting:
    @pytest.fixture
    def person(self, lab):  # noqa: F811
        """Somebody whose submission waits for a verdict; their reference."""
        (done,) = lab.finished()
        made = lab.participant_of(done, state="finished")
        lab.visit()
        return made.id.hex[:8]

    def test_the_cost_is_printed_and_what_is_published_waits_for_a_worker(self, cyborg, lab, prolific, db):  # noqa: F811
        make_study(db, slug="more")
        db.commit()
        assert (
            "rewards 7.50 GBP, fees 2.47 GBP, tax 0.49 GBP; 10.46 GBP"
            in cyborg("recruit", "publish", "more", *OFFER).output
        )
        assert len(prolific.studies) == 1
        said = cyborg("recruit", "publish", "more", *OFFER, "--yes").output
        assert "a worker is asked to publish" in said

    def test_places_and_state_are_asked_for(self, cyborg, lab):  # noqa: F811
        assert "0 of 9 places taken" in cyborg("recruit", "places", "faces", "9").output
        assert "a worker is asked to pause" in cyborg("recruit", "pause", "faces").output
        lab.visit()
        assert "It is paused" in cyborg("recruit", "sync", "faces").output

    def test_a_submission_is_listed_shown_and_approved(self, cyborg, lab, person):  # noqa: F811
        assert person in cyborg("recruit", "submissions", "faces").output
        assert f"1 submissions, 1.50 GBP and fees: {person}" in cyborg("recruit", "approve", "faces").output
        assert lab.states(PaymentKind.REWARD) == []
        cyborg("recruit", "approve", "faces", person, "--yes")
        assert lab.states(PaymentKind.REWARD) == ["intended"]
        lab.visit()
        assert "1.50 GBP" in cyborg("recruit", "ledger", "faces").output
        assert f"1.50,GBP,{person}" in cyborg("recruit", "payments", "faces").output

    def test_a_rejection_and_a_return_are_shown_first(self, cyborg, lab, person, db):  # noqa: F811
        asked = ("recruit", "reject", "faces", person, "--category", "FAILED_CHECK", "--message", WHY)
        assert f"{person}: nothing is wrong with this one" in cyborg(*asked).output
        cyborg("recruit", "return", "faces", person, "--reason", "A mistake of ours.")
        lab.visit()
        assert [one["status"] for one in lab.prolific.submissions.values()] == ["AWAITING REVIEW"]
        cyborg(*asked, "--yes")
        lab.visit()
        assert [one["status"] for one in lab.prolific.submissions.values()] == ["REJECTED"]

    def test_a_screen_out_is_shown_then_asked_for(self, cyborg, lab, person, db):  # noqa: F811
        db.query(Listing).one().staff_screen_out = True
        db.commit()
        asked = ("recruit", "screen-out", "faces", person, "--pay", "50")
        assert f"1 are screened out, 0.69 GBP with fees: {person}" in cyborg(*asked).output
        assert lab.states(PaymentKind.SCREEN_OUT) == []
        cyborg(*asked, "--yes")
        assert lab.states(PaymentKind.SCREEN_OUT) == ["intended"]

    def test_a_message_is_sent(self, cyborg, lab, person):  # noqa: F811
        cyborg("recruit", "message", "faces", person, "--text", "Thank you.", "--yes")
        assert [sent["body"] for sent in lab.prolific.messages] == ["Thank you."]

    def test_bonuses_are_shown_paid_once_and_cancelled(self, cyborg, lab, person):  # noqa: F811
        order = "5b1f3a3e-0000-4000-8000-000000000001"
        asked = ("recruit", "bonus", "faces", "--order", order)
        assert "1 bonuses, 0.50 GBP" in cyborg(*asked, text=f"{person}, 0.50").output
        for new in ("1 are new", "0 are new"):
            assert new in cyborg(*asked, "--yes", text=f"{person}, 0.50").output
        (bonus,) = lab.payments(kind=PaymentKind.BONUS)
        assert person in cyborg("recruit", "open-bonuses", "faces").output
        said = cyborg("recruit", "settle", "faces", str(bonus.id), "cancel").output
        assert said == f"Bonus {bonus.id} is cancelled.\n"

    def test_an_unknown_person_is_named(self, cyborg, person):
        assert isinstance(cyborg("recruit", "approve", "faces", "00000000").exception, BadInput)

    def test_the_account_is_connected_on_the_server_itself(self, cyborg, lab):  # noqa: F811
        assert "works on the server itself" in str(cyborg("recruit", "connect", text="x\n").exception)


class TestStudies:
    @pytest.fixture(autouse=True)
    def study(self, db):
        made = make_study(db, slug="faces")
        db.commit()
        return made

    def test_one_is_copied_changed_and_deleted(self, cyborg, db, blobs, tmp_path):
        make_images(db, blobs, count=4)
        db.commit()
        (tmp_path / "first.toml").write_text(DRAFT)
        cyborg("study", "create", str(tmp_path / "first.toml"))
        assert cyborg("study", "duplicate", "first", "more").output == "Study more is like first, a draft.\n"
        text = cyborg("study", "show", "more").output
        (tmp_path / "more.toml").write_text(text)
        assert "still a draft" in cyborg("study", "edit", "more", str(tmp_path / "more.toml")).output
        assert "still a draft" in cyborg("study", "restore", "more", "1").output
        assert cyborg("study", "history", "more").output.startswith("1 ")
        assert cyborg("study", "show", "more", "--save", "1").output == text
        assert "is deleted" in cyborg("study", "delete", "more", "--yes").output
        assert "no study called 'more'" in str(cyborg("study", "delete", "more", "--yes").exception)

    def test_the_planner_says_what_one_takes(self, cyborg, db, blobs, tmp_path):
        make_images(db, blobs, count=4)
        db.commit()
        (tmp_path / "first.toml").write_text(DRAFT)
        cyborg("study", "create", str(tmp_path / "first.toml"))
        said = cyborg("study", "planner", "first", "--reward", "150", "--left-out", "0.5").output
        assert "8 judgements of 2 pairs" in said
        assert "with those left out" in said
        assert "No marketplace is connected" in said
        refused = cyborg("study", "planner", "first", "--like", "faces").exception
        assert "0 participants with judgements; at least 10 are needed" in str(refused)

    def test_its_plan_and_its_exclusions_are_shown(self, cyborg):
        assert "No plan is frozen." in cyborg("study", "plan", "faces").output
        assert json.loads(cyborg("study", "plan", "faces", "--json").output)["deviations"] != []
        assert "no rules of exclusion" in cyborg("exclusions", "faces").output

    def test_its_versions_are_listed(self, cyborg, study, db):
        for number, title in enumerate(("Faces", "Other faces"), start=1):
            study.version, study.spec = number, {"title": title}
            record(db, study, reason=f"Reason {number}.", staff_id=None)
        db.commit()
        said = cyborg("study", "versions", "faces").output
        assert said.index("Reason 2.") < said.index("Reason 1.")
        assert "Other faces" in said
        versions = json.loads(cyborg("study", "versions", "faces", "--json").output)
        assert [one["number"] for one in versions] == [2, 1]
        assert all(line[0] in "+-" for change in versions[0]["differences"] for line in change["lines"])

    def test_an_analysis_is_asked_for_and_found_again(self, cyborg, tmp_path):
        said = cyborg("analyse", "faces").output
        assert said.startswith("Analysis 1 of study faces is queued: http")
        assert json.loads(cyborg("analyse", "faces", "--json").output)["version"] == 1

    def test_its_decisions_are_analysed_here_where_files_are_asked_for(self, cyborg, monkeypatch, tmp_path):
        asked = []

        @contextmanager
        def stream(_method, url, **_options):
            asked.append(url.rpartition("/api")[2])
            yield httpx2.Response(200, content=exported_decisions())

        monkeypatch.setattr(httpx2, "stream", stream)
        said = cyborg("analyse", "faces", "--out", str(tmp_path / "out"))
        assert said.exception is None, said.output
        assert asked == ["/studies/faces/decisions.csv"]
        (table,) = (tmp_path / "out").rglob("decisions.csv")
        assert len(table.read_text("utf-8").splitlines()) == 1 + JUDGED
        refused = cyborg("analyse", "faces", "--out", str(tmp_path), "--exclude-flag", "fast").exception
        assert "leave out --exclude-flag" in str(refused)

    def test_a_worker_there_audits_images(self, cyborg, db, monkeypatch):
        def work(_seconds):
            task = db.scalars(select(BackgroundTask)).one()
            task.result, task.state = {"audit": None, "of": {"images": 4, "number": "0"}}, JobState.SUCCEEDED
            db.commit()

        monkeypatch.setattr("app.cli.remote.time", SimpleNamespace(sleep=work))
        refused = cyborg("images", "audit", "--study", "faces").exception
        assert str(refused) == "An audit needs at least 20 images of either label."
        assert db.scalars(select(BackgroundTask.arguments)).all() == [{"study": "faces"}]
        assert "nowhere" in str(cyborg("images", "audit", "--study", "nowhere").exception)

    def test_maps_a_dataset_and_an_experiment_are_asked_for(self, cyborg, study, db, tmp_path):
        assert "no correct annotation yet" in str(cyborg("maps", "build", "faces").exception)
        parameters = MapParameters().to_dict()
        built = MapSet(study_id=study.id, version=1, parameters=parameters, state=JobState.SUCCEEDED)
        db.add(built)
        db.commit()
        assert "waits for a worker" in cyborg("dataset", "freeze", "faces", "--map-set", "1").output
        frozen = make_dataset(db, built, tmp_path)
        said = cyborg("train", "smoke", "--dataset", str(frozen.id)).output
        assert "2 runs wait for a worker of http" in said
        assert "no dataset with the number or hash 99" in str(
            cyborg("train", "smoke", "--dataset", "99").exception
        )


class TestImages:
    def test_they_are_tagged_and_removed_by_name_all_or_none(self, cyborg, db, blobs):
        make_images(db, blobs, count=2)
        db.commit()
        one, other, *rest = db.scalars(select(Image).order_by(Image.id)).all()
        assert cyborg("images", "tag", one.original_name, "--add", "odd").output == "1 images are tagged.\n"
        found = cyborg("images", "remove", one.content_hash, "no such image")
        assert "no one image called 'no such image'" in str(found.exception)
        said = cyborg("images", "remove", one.content_hash, other.content_hash).output
        assert said == "2 images are removed.\n"
        db.expire_all()
        assert db.scalars(select(Image)).all() == rest

    def test_the_one_that_is_named_has_the_tag(self, cyborg, db, blobs):
        make_images(db, blobs, count=1)
        db.commit()
        first = db.scalars(select(Image).order_by(Image.id)).first()
        cyborg("images", "tag", first.content_hash, "--add", "odd")
        db.expire_all()
        assert {image.id for image in db.scalars(select(Image)) if image.tags == ["odd"]} == {first.id}

    def test_they_are_split_by_a_file_all_or_none(self, cyborg, db, tmp_path):
        first, second = (ImageFactory(original_name=f"{name}.png") for name in "ab")
        db.commit()
        (tmp_path / "splits.csv").write_text("path,split\na.png,test\nc.png,val\n")
        refused = str(cyborg("images", "split", str(tmp_path / "splits.csv")).exception)
        assert refused == "splits.csv, line 3: there is no image c.png."
        (tmp_path / "splits.csv").write_text("path,split\na.png,test\nb.png,val\n")
        said = cyborg("images", "split", str(tmp_path / "splits.csv")).output
        assert said == "1 images have the split test now.\n1 images have the split val now.\n"
        db.expire_all()
        assert (first.split, second.split) == ("test", "val")

    def test_some_are_set_aside_by_fractions(self, cyborg, db):
        made = [ImageFactory(label=label) for label in ("real", "fake") for _ in range(4)]
        db.commit()
        said = json.loads(cyborg("images", "split", "--test", "0.5", "--seed", "3", "--json").output)
        assert said == {"changed": {"test": 4}, "unchanged": 0}
        db.expire_all()
        assert sum(image.split == "test" for image in made) == 4

    def test_the_faces_of_all_are_found_a_few_with_each_request(self, cyborg, db, blobs, monkeypatch):
        monkeypatch.setattr("app.stimuli.face_boxes.A_REQUEST", 2)
        file = BytesIO()
        Picture.fromarray(draw_portrait(3).pixels).save(file, "PNG")
        portrait = blobs.put(file.getvalue())
        file = BytesIO()
        Picture.new("RGB", (320, 320), "blue").save(file, "PNG")
        sky = ImageFactory(width=320, height=320, display_hash=blobs.put(file.getvalue()))
        for _ in range(3):
            ImageFactory(width=320, height=320, display_hash=portrait)
        drawn = ImageFactory(
            face_x=1, face_y=1, face_width=9, face_height=9, face_origin=FaceOrigin.CORRECTED
        )
        db.commit()
        lines = cyborg("images", "faces").output.splitlines()
        assert lines[0].startswith(f"image {sky.id}: no face was found")
        assert lines[1] == "3 faces found."
        assert json.loads(cyborg("images", "faces", "--again", "--json").output)["found"] == 3
        db.expire_all()
        assert drawn.face_width == 9


class TestParticipants:
    @pytest.fixture
    def study(self, db):
        return make_study(db, slug="faces")

    @pytest.fixture
    def people(self, db, study, monkeypatch):
        """More than a page of them, everybody with a flag of staff."""
        monkeypatch.setattr("app.dashboard.participants.queries.PAGE_SIZE", 2)
        made = [ParticipantFactory(study_id=study.id) for _ in range(5)]
        for person in made:
            set_aside(db, person, reason="")
        db.commit()
        return made

    def test_everybody_is_checked_and_the_flags_are_counted(self, cyborg, people, monkeypatch):
        checked = []
        monkeypatch.setattr(
            "app.dashboard.participants.bulk.check_participant", lambda _, one: checked.append(one)
        )
        said = cyborg("quality", "faces", "--json").output
        assert sorted(checked) == sorted(person.id for person in people)
        assert json.loads(said) == [{"kind": SET_ASIDE, "participants": 5, "flags": 5}]
        assert SET_ASIDE in cyborg("quality", "faces").output

    def test_somebody_is_let_back_in(self, cyborg, people):
        said = cyborg("study", "let-in", "faces", people[0].id.hex[:8]).output
        assert re.fullmatch(r"https?://\S+/s/faces\S+\n", said)
        assert "nobody" in str(cyborg("study", "let-in", "faces", "W404").exception).lower()


class TestAlerts:
    @pytest.fixture
    def lost(self, db):
        study = make_study(db, slug="faces")
        alert = Alert(kind=AlertKind.FULL, study_id=study.id, text="Every judgement is decided.")
        db.add(alert)
        db.flush()
        made = AlertDelivery(
            alert_id=alert.id,
            turn=AlertTurn.BEGAN,
            receiver=AlertReceiver.WEBHOOK,
            job_id=0,
            tries=3,
            tried_at=datetime.now(UTC),
            place="hooks.lab.example",
            error="It answered 500.",
        )
        db.add(made)
        db.commit()
        return made

    def test_they_are_listed_with_what_did_not_arrive(self, cyborg, lost):
        said = cyborg("alerts", "list").output.splitlines()
        assert said[0].endswith("  faces  Every judgement is decided.")
        assert said[1:] == [
            f"Not arrived: {lost.id}  faces  webhook to hooks.lab.example, tried 3×.",
            "  Every judgement is decided. It answered 500.",
        ]
        (one,) = json.loads(cyborg("alerts", "list", "--json").output)
        assert (one["kind"], one["study"]) == ("full", "faces")

    def test_one_is_sent_again_where_somebody_receives_it(self, cyborg, lost):
        assert "the settings name none" in str(cyborg("alerts", "again", str(lost.id)).exception)
        assert "no such message" in str(cyborg("alerts", "again", "99").exception)


class TestResults:
    @pytest.fixture
    def built(self, db):
        study = make_study(db, slug="faces")
        sets = [
            MapSet(
                study_id=study.id,
                version=version,
                parameters=MapParameters.from_dict({"sigma_px": sigma}).to_dict(),
                state=JobState.SUCCEEDED,
            )
            for version, sigma in ((1, 3.0), (2, 5.0))
        ]
        db.add_all(sets)
        db.flush()
        image = ImageFactory()
        for made, sketch in zip(sets, (bytes(range(256)) * 4, bytes(range(255, -1, -1)) * 4), strict=True):
            db.add(
                SaliencyMap(
                    map_set_id=made.id,
                    image_id=image.id,
                    blob_hash=f"{made.version}" * 64,
                    sketch=sketch,
                    inputs_hash=f"{made.version}" * 64,
                    annotators=made.version,
                    coverage=0.5,
                    entropy=1.0,
                )
            )
        db.commit()
        return sets

    @pytest.fixture
    def experiment(self, cyborg, db, built, tmp_path):
        """Two runs, of which the first has finished; its number."""
        dataset = make_dataset(db, built[0], tmp_path)
        made = json.loads(cyborg("train", "smoke", "--dataset", str(dataset.id), "--json").output)
        run = db.scalars(select(Run).order_by(Run.seed, Run.architecture, Run.scenario)).first()
        run.state, run.metrics = JobState.SUCCEEDED, {"test/auc": 0.875}
        db.commit()
        return made["experiment"]

    def test_what_changed_between_map_sets_is_shown(self, cyborg, built):
        said = cyborg("maps", "diff", "faces", "1").output
        assert "From map set 1 to 2:" in said
        assert "sigma_px: 3.0 → 5.0" in said
        assert "-1.000" in said
        assert "1 → 2" in said
        (change,) = json.loads(cyborg("maps", "diff", "faces", "1", "2", "--json").output)["changed"]
        assert change["annotators"] == [1, 2]
        assert "no map set 3" in str(cyborg("maps", "diff", "faces", "3").exception)

    def test_an_experiment_is_called_by_its_number_or_name(self, cyborg, experiment):
        by_number, by_name = (cyborg("results", one).output for one in (str(experiment), "smoke"))
        assert by_number == by_name
        assert "0.8750" in by_name
        degraded = cyborg("results", "degraded", "smoke").output
        assert degraded == "No run of smoke was evaluated on degraded images.\n"
        assert "There is no experiment 'other'." in str(cyborg("results", "other").exception)
        assert "no experiment 99" in str(cyborg("results", "99").exception)

    def test_scores_of_another_detector_go_to_a_dataset(self, cyborg, experiment, db, monkeypatch, tmp_path):
        got = {}

        def import_scores(_db, _blobs, dataset, content, *, called, name, staff_id):
            got.update(dataset=dataset.id, content=content, called=called, name=name)
            return [ImportSummary("theirs", 12, 1, 0.25)]

        monkeypatch.setattr("app.api.training.import_scores", import_scores)
        (tmp_path / "theirs.csv").write_text("image,score\n")
        dataset = str(db.scalars(select(Dataset.id)).one())
        said = cyborg("results", "import-scores", str(tmp_path / "theirs.csv"), "--dataset", dataset)
        assert "theirs: 12 images, AUC 0.2500; 1 rows about other splits were left out." in said.output
        assert got == {
            "dataset": int(dataset),
            "content": b"image,score\n",
            "called": "theirs.csv",
            "name": None,
        }

    def test_a_dataset_is_found_by_its_hash_however_old_it_is(self, cyborg, experiment, db):
        found = db.scalars(select(Dataset)).one()
        assert number_of_dataset(chosen_server(), found.content_hash[:12]) == found.id
        assert number_of_dataset(chosen_server(), str(found.id)) == found.id
        with pytest.raises(BadInput, match="no dataset with the number or hash %"):
            number_of_dataset(chosen_server(), "%")

    def test_an_image_is_scored_by_a_worker_there(self, cyborg, experiment, db, monkeypatch, tmp_path):
        def work(_seconds):
            task = db.scalars(select(BackgroundTask)).one()
            task.result = {
                "logit_real": 1.5,
                "logit_fake": -2,
                "score_sigmoid": 0.119203,
                "score_softmax": 0.03,
                "cam_grey": b64encode(b"a map").decode(),
            }
            task.state = JobState.SUCCEEDED
            db.commit()

        monkeypatch.setattr("app.cli.remote.time", SimpleNamespace(sleep=work))
        run = str(db.scalars(select(Run.id).where(Run.state == JobState.SUCCEEDED)).one())
        Picture.new("RGB", (64, 64)).save(tmp_path / "face.png")
        assert cyborg("score", run, str(tmp_path / "face.png")).stdout.splitlines() == [
            "path,logit_real,logit_fake,score_sigmoid,score_softmax",
            f"{tmp_path / 'face.png'},1.5,-2,0.119203,0.030000",
        ]
        db.execute(delete(BackgroundTask))
        cyborg("score", run, str(tmp_path / "face.png"), "--cams", str(tmp_path / "maps"))
        assert (tmp_path / "maps/face.png").read_bytes() == b"a map"
        twice = cyborg("score", run, "a/face.png", "b/face.jpg", "--cams", str(tmp_path / "none")).exception
        assert "2 images are called face" in str(twice)
        assert not (tmp_path / "none").exists()
        assert "x is no id of a run" in str(cyborg("score", "x", "y.png").exception)


def chosen_server() -> Remote:
    return Remote(os.environ["CYBORG_SERVER"], os.environ["CYBORG_TOKEN"])


def exported_decisions() -> bytes:
    """A file of decisions as an export has it: four people, two of whom paint."""
    lines = [",".join(DECISIONS.names)]
    for number in range(JUDGED):
        person, position = divmod(number, 10)
        row = {"participant": f"p{person}", "arm": "ab"[person % 2]}
        row |= {"annotate": "true" if person % 2 else "false", "counts": "true", "simulated": "false"}
        row |= {"pilot": "false", "position": position + 1, "pair_id": position, "fake_source": "gan"}
        row |= {"question": "fake", "choice": "left", "correct": "true" if number % 3 else "false"}
        row |= {"decision_ms": 900 + number, "annotation_ms": 2000 if person % 2 else ""}
        lines.append(",".join(str(row.get(name, "")) for name in DECISIONS.names))
    return "\n".join(lines).encode()
