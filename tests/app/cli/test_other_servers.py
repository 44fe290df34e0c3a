"""`cyborg --server …`: the same commands on another server, over its API."""

import json
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.accounts.token_service import create_token
from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.errors import BadInput
from app.models import Image, JobState, Listing, MapSet, PaymentKind, Role, TokenScope
from app.studies.versions import record
from saliency.parameters import MapParameters
from tests.app.recruitment.conftest import TERMS, draft, lab, no_waiting, prolific, settings  # noqa: F401
from tests.support.factories import StaffFactory
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
        assert [
            one["number"] for one in json.loads(cyborg("study", "versions", "faces", "--json").output)
        ] == [
            2,
            1,
        ]

    def test_an_analysis_is_asked_for_and_found_again(self, cyborg, tmp_path):
        said = cyborg("analyse", "faces").output
        assert said.startswith("Analysis 1 of study faces is queued: http")
        assert json.loads(cyborg("analyse", "faces", "--json").output)["version"] == 1
        assert "neither --out" in str(cyborg("analyse", "faces", "--out", str(tmp_path)).exception)

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
