"""`cyborg recruit …`: nothing is done without --yes, and every command prints what became of it."""

import csv
import io

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli import recruiting as _registers  # noqa: F401
from app.errors import BadInput, WrongState
from app.models import Listing, ParticipantState, Source
from tests.support import factories
from tests.support.local_prolific import TOKEN, Fault
from tests.support.recruiting import add_visit
from tests.support.worlds import make_study

OFFER = ("--places", "5", "--reward", "150", "--minutes", "10", "--description", "Judge faces.")
WHY = "Four of the five attention checks were wrong, and no answer took more than half a second of your time."


@pytest.fixture
def cyborg(own_database, prolific, monkeypatch):
    settings, sessions = own_database
    with sessions() as db:
        factories.SESSION_HOLDER["session"] = db
        make_study(db, slug="faces")
        db.commit()
    monkeypatch.setenv("CYBORG_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CYBORG_PROLIFIC_URL", prolific.url)
    monkeypatch.setenv("CYBORG_BONUSES_SETTLE", "PT0.001S")

    def run(*arguments: str, text: str = ""):
        return CliRunner().invoke(app, ["recruit", *arguments], input=text)

    assert "Ada Lab" in run("connect", text=TOKEN + "\n").output
    return run


@pytest.fixture
def listed(cyborg, prolific):
    """Publishes the study; returns its id on Prolific."""
    cyborg("publish", "faces", *OFFER, "--yes")
    (study,) = prolific.studies
    return study


@pytest.fixture
def person(own_database, listed, prolific, cyborg):
    """Somebody who finished and handed in their code; their reference."""
    submission = prolific.join(listed)
    worker = prolific.submissions[submission]["participant_id"]
    with own_database[1].begin() as session:
        visitor = {"worker": worker, "submission": submission, "source": Source.PROLIFIC}
        made = add_visit(session, "faces", **visitor, state=ParticipantState.FINISHED)
        reference = made.id.hex[:8]
    finished = next(
        code["code"]
        for code in prolific.studies[listed]["completion_codes"]
        if code["code_type"] == "COMPLETED"
    )
    prolific.complete(submission, finished)
    assert "1 of 5 places taken" in cyborg("sync", "faces").output
    return reference


class TestPublishing:
    def test_the_cost_is_printed_and_nothing_is_published(self, cyborg, prolific):
        said = cyborg("publish", "faces", *OFFER).output
        assert "rewards 7.50 GBP" in said
        assert "Nothing was published" in said
        assert prolific.studies == {}

    def test_it_is_published_raised_paused_resumed_and_stopped(self, cyborg, listed):
        assert "0 of 9 places taken" in cyborg("places", "faces", "9").output
        assert "It is paused" in cyborg("pause", "faces").output
        assert "It is published" in cyborg("resume", "faces").output
        assert "It is stopped" in cyborg("stop", "faces").output
        assert isinstance(cyborg("resume", "faces").exception, WrongState)


class TestReview:
    def test_a_submission_is_listed_and_paid(self, cyborg, person, prolific):
        assert person in cyborg("submissions", "faces").output
        assert f"1 submissions, 1.50 GBP and fees: {person}" in cyborg("approve", "faces").output
        assert [one["rewards"] for one in prolific.submissions.values()] == [[]]
        cyborg("approve", "faces", "--yes")
        assert [one["rewards"] for one in prolific.submissions.values()] == [[150]]
        assert "Ledger" in cyborg("ledger", "faces").output
        (line,) = [
            line
            for line in csv.DictReader(io.StringIO(cyborg("payments", "faces").output))
            if line["kind"] == "reward"
        ]
        assert (line["amount"], line["state"], line["participant"]) == ("1.50", "confirmed", person)

    def test_a_rejection_and_a_return_are_shown_first(self, cyborg, person, prolific):
        rejection = ("reject", "faces", person, "--category", "FAILED_CHECK", "--message", WHY)
        assert f"{person}: nothing is wrong with this one" in cyborg(*rejection).output
        cyborg("return", "faces", person, "--reason", "A mistake of ours.")
        assert [one["status"] for one in prolific.submissions.values()] == ["AWAITING REVIEW"]
        cyborg(*rejection, "--yes")
        assert [one["status"] for one in prolific.submissions.values()] == ["REJECTED"]

    def test_a_message_is_shown_then_sent(self, cyborg, person, prolific):
        letter = ("message", "faces", person, "--text", "Thank you. Which browser did you use?")
        assert f"1 get the message: {person}" in cyborg(*letter).output
        assert prolific.messages == []
        cyborg(*letter, "--yes")
        (sent,) = prolific.messages
        (one,) = prolific.submissions.values()
        assert (sent["recipient_id"], sent["body"]) == (one["participant_id"], letter[-1])

    def test_a_screen_out_is_shown_with_its_cost_then_paid(self, cyborg, own_database, person, prolific):
        with own_database[1].begin() as session:
            session.query(Listing).one().staff_screen_out = True
        next(iter(prolific.studies.values()))["is_custom_screening"] = True
        asked = ("screen-out", "faces", person, "--pay", "50")
        assert f"1 are screened out, 0.69 GBP with fees: {person}" in cyborg(*asked).output
        assert [one["status"] for one in prolific.submissions.values()] == ["AWAITING REVIEW"]
        cyborg(*asked, "--yes")
        assert [one["bonus_payments"] for one in prolific.submissions.values()] == [[50.0]]

    def test_an_unknown_person_is_named(self, cyborg, person):
        assert isinstance(cyborg("approve", "faces", "00000000").exception, BadInput)


class TestBonuses:
    def test_one_is_shown_then_paid_once(self, cyborg, person, prolific):
        cyborg("approve", "faces", "--yes")
        order = ("bonus", "faces", "--order", "1b4e28ba-2fa1-11d2-883f-0016d3cca427")
        assert "1 bonuses, 0.50 GBP" in cyborg(*order, text=f"{person}, 0.50").output
        for _ in range(2):
            cyborg(*order, "--yes", text=f"{person}, 0.50")
        assert [one["bonus_payments"] for one in prolific.submissions.values()] == [[50]]

    def test_staff_say_what_became_of_one_that_does_not_show(self, cyborg, person, prolific):
        cyborg("approve", "faces", "--yes")
        prolific.faults.append(Fault("POST", "/pay/", "lost"))
        cyborg("bonus", "faces", "--yes", text=f"{person}, 0.50")
        said = cyborg("open-bonuses", "faces").output
        assert "sent, and not shown" in said
        number = said.splitlines()[1].split()[0]
        assert isinstance(cyborg("settle", "faces", number, "cancel").exception, WrongState)
        assert f"Bonus {number} is intended." in cyborg("settle", "faces", number, "not-paid").output
        assert [one["bonus_payments"] for one in prolific.submissions.values()] == [[50]]
