import base64
import hashlib
import hmac
import json
import logging
import os
import socketserver
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import select, text

from app.errors import BadInput, Unavailable
from app.jobs import CHECK_ALERTS, enqueue
from app.models import (
    Alert,
    AlertDelivery,
    AlertKind,
    AlertReceiver,
    AlertTurn,
    JobState,
    ParticipantState,
    QualityFlag,
    StudyState,
)
from app.models.derived import Dataset, Experiment, MapSet, Run
from app.overview.alerts import check_alerts, deliver_alert, open_alerts, undelivered
from app.overview.delivery import signed_headers, try_out
from app.settings import Settings
from tests.support import factories
from tests.support.factories import (
    ArmFactory,
    DecisionFactory,
    PairFactory,
    ParticipantFactory,
    QuotaFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.processes import COMMAND

BEGAN, WEBHOOK, MAIL = AlertTurn.BEGAN, AlertReceiver.WEBHOOK, AlertReceiver.MAIL
SECRET = "correct horse"
LONG_AGO = datetime.now(UTC) - timedelta(days=9)
LEFT = text(
    "SELECT count(*) FROM procrastinate_jobs"
    " WHERE status IN ('todo', 'doing') AND task_name LIKE 'overview.%'"
)
QUEUED = text("SELECT args FROM procrastinate_jobs WHERE task_name = 'overview.deliver_alert' ORDER BY id")


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


class TestFull:
    def test_a_study_with_every_judgement_is(self, db, settings, study, decide):
        decide()
        assert standing(db, settings, study) == ["full"]

    def test_one_that_is_closed_is_not(self, db, settings, study, decide):
        decide()
        study.state = StudyState.CLOSED
        assert standing(db, settings, study) == []


class TestStalled:
    @pytest.fixture(autouse=True)
    def wanted(self, study, arm):
        QuotaFactory(arm_id=arm.id, pair_id=PairFactory(study_id=study.id).id, wanted=9)

    def test_an_open_study_to_which_nobody_comes_is(self, db, settings, study, arm):
        ParticipantFactory(arm=arm, consented_at=LONG_AGO)
        assert standing(db, settings, study) == ["stalled"]

    def test_an_arrival_ends_it(self, db, settings, study, arm):
        check_alerts(db, settings)
        ParticipantFactory(arm=arm)
        assert standing(db, settings, study) == []

    def test_a_judgement_ends_it(self, db, settings, study, decide):
        check_alerts(db, settings)
        decide(consented_at=LONG_AGO)
        assert standing(db, settings, study) == []

    @pytest.mark.parametrize(
        ("state", "opened_at"), [(StudyState.PAUSED, LONG_AGO), (StudyState.OPEN, datetime.now(UTC))]
    )
    def test_one_that_is_paused_or_was_just_opened_is_not(self, db, settings, study, state, opened_at):
        study.state, study.opened_at = state, opened_at
        assert standing(db, settings, study) == []


class TestFlagged:
    @pytest.mark.parametrize(("flagged", "found"), [(4, []), (5, ["flagged"])])
    def test_a_share_over_the_bound_is(self, db, settings, study, arm, flagged, found):
        for number in range(20):
            person = ParticipantFactory(arm=arm, state=ParticipantState.FINISHED)
            if number < flagged:
                db.add(QualityFlag(participant_id=person.id, kind="one_side", detail={}))
                db.add(QualityFlag(participant_id=person.id, kind="fast_decision", detail={}))
        assert standing(db, settings, study) == found

    def test_of_few_it_says_nothing(self, db, settings, study, arm):
        person = ParticipantFactory(arm=arm, state=ParticipantState.FINISHED)
        db.add(QualityFlag(participant_id=person.id, kind="one_side", detail={}))
        assert standing(db, settings, study) == []


class TestRuns:
    @pytest.fixture(autouse=True)
    def closed(self, study):
        study.state = StudyState.CLOSED

    def test_each_that_failed_is_one(self, db, settings, study, run):
        run(JobState.FAILED), run(JobState.FAILED), run(JobState.SUCCEEDED)
        assert standing(db, settings, study) == ["run_failed"] * 2

    def test_one_that_goes_on_is_over(self, db, settings, study, run):
        failed = run(JobState.FAILED)
        check_alerts(db, settings)
        failed.state = JobState.RUNNING
        assert standing(db, settings, study) == []

    def test_one_of_long_ago_is_none(self, db, settings, study, run):
        run(JobState.FAILED, ended_at=LONG_AGO)
        assert standing(db, settings, study) == []


class TestTelling:
    def test_each_occurrence_is_told_once(self, db, hooked, study, decide):
        decide()
        for _ in range(3):
            check_alerts(db, hooked)
        (alert,) = open_alerts(db, study)
        assert jobs(db) == [(alert.id, "began")]

    def test_its_end_is_told_and_the_next_one_again(self, db, hooked, study, decide):
        decide()
        check_alerts(db, hooked)
        quota = QuotaFactory(
            arm_id=ArmFactory(study_id=study.id).id, pair_id=PairFactory(study_id=study.id).id
        )
        check_alerts(db, hooked)
        db.delete(quota)
        check_alerts(db, hooked)
        first, second = db.scalars(select(Alert).order_by(Alert.id)).all()
        assert jobs(db) == [(first.id, "began"), (first.id, "ended"), (second.id, "began")]

    def test_without_anybody_to_tell_it_only_stands_on_pages(self, db, settings, study, decide, editor):
        decide()
        check_alerts(db, settings)
        db.commit()
        assert jobs(db) == []
        for page in ("/staff", f"/staff/studies/{study.slug}", f"/api/studies/{study.slug}/overview"):
            assert "is decided, and it is still open." in editor.get(page).text


class TestWebhook:
    def test_it_is_signed(self, db, settings, alert):
        with receiving() as (address, got):
            deliver_alert(db, with_hook(settings, address), alert.id, BEGAN, WEBHOOK)
        headers, body = got[0]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(SECRET.encode(), signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert json.loads(body)["data"]["kind"] == "full"

    def test_the_example_of_the_standard_has_its_signature(self):
        found = signed_headers(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            b'{"test": 2432232314}',
            at=1614265330,
        )
        assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_the_same_message_has_the_same_id(self, db, settings, alert):
        with receiving(500) as (address, got):
            for _ in range(2):
                deliver_alert(db, with_hook(settings, address), alert.id, BEGAN, WEBHOOK)
        assert got[0][0]["webhook-id"] == got[1][0]["webhook-id"]

    def test_one_that_arrived_is_not_sent_again(self, db, settings, alert):
        with receiving() as (address, got):
            for _ in range(2):
                assert deliver_alert(db, with_hook(settings, address), alert.id, BEGAN, WEBHOOK) is None
        assert len(got) == 1

    @pytest.mark.parametrize("status", [500, None])
    def test_one_that_fails_is_tried_again_and_tells_no_secret(self, db, settings, alert, caplog, status):
        caplog.set_level(logging.DEBUG, "app")
        with receiving(status or 200) as (address, _):
            config = with_hook(settings, f"{address}/s3cret" if status else "http://127.0.0.1:1/s3cret")
            failure = deliver_alert(db, config, alert.id, BEGAN, WEBHOOK)
        assert isinstance(failure, Unavailable)
        assert "s3cret" not in f"{failure}{failure.__cause__}{caplog.text}"

    def test_an_alert_of_a_study_that_is_gone_is_told_to_nobody(self, db, settings):
        with receiving() as (address, got):
            deliver_alert(db, with_hook(settings, address), 999, BEGAN, WEBHOOK)
        assert got == []

    def test_it_is_refused_without_a_secret(self, settings):
        with pytest.raises(ValidationError, match="CYBORG_ALERT_WEBHOOK_SECRET"):
            Settings(alert_webhook_url=SecretStr("https://lab.example/hook"), _env_file=None)


class TestMail:
    def test_it_says_what_began_and_where_to_look(self, db, settings, study, alert):
        with taking_mail() as (port, letters):
            config = settings.model_copy(
                update={
                    "alert_mail_to": "ada@lab.example bob@lab.example",
                    "smtp_url": SecretStr(f"smtp://127.0.0.1:{port}"),
                }
            )
            deliver_alert(db, config, alert.id, BEGAN, MAIL)
        assert f"/staff/studies/{study.slug}" in letters[0]
        assert "To: ada@lab.example, bob@lab.example" in letters[0]

    def test_a_password_is_never_sent_in_the_clear(self, db, settings, alert):
        with taking_mail() as (port, letters):
            url = SecretStr(f"smtp://ada:s3cret@127.0.0.1:{port}")
            config = settings.model_copy(update={"alert_mail_to": "ada@lab.example", "smtp_url": url})
            failure = deliver_alert(db, config, alert.id, BEGAN, MAIL)
        assert letters == []
        assert isinstance(failure, Unavailable)
        assert "s3cret" not in str(failure)


class TestNotArrived:
    @pytest.fixture
    def lost(self, db, study, decide):
        """One that the receiver refused; returns its row."""
        decide()
        with receiving(500) as (address, _):
            config = with_hook(Settings(_env_file=None), f"{address}/s3cret")
            check_alerts(db, config)
            (alert,) = open_alerts(db, study)
            assert deliver_alert(db, config, alert.id, BEGAN, WEBHOOK)
        db.commit()
        return db.scalars(select(AlertDelivery)).one()

    def test_it_is_shown_without_secrets(self, db, study, lost, viewer):
        page = viewer.get(f"/staff/studies/{study.slug}").text
        for words in ("An alert did not arrive", "answered 500", "127.0.0.1"):
            assert words in page
        assert "s3cret" not in page
        assert "Send again" not in page
        (told,) = viewer.get(f"/api/studies/{study.slug}/overview").json()["undelivered"]
        assert (told["id"], told["receiver"], told["tries"], told["waits"]) == (lost.id, "webhook", 1, True)

    def test_an_editor_sends_it_again(self, db, study, lost, editor, app_with_hook):
        assert "Send again" in editor.get(f"/staff/studies/{study.slug}").text
        first = lost.job_id
        with app_with_hook(editor):
            editor.post(f"/staff/studies/{study.slug}/alerts/{lost.id}/send-again")
        db.expire_all()
        states = dict(db.execute(text("SELECT id, status::text FROM procrastinate_jobs")).all())
        assert (states[first], states[lost.job_id]) == ("cancelled", "todo")

    def test_of_another_study_there_is_none(self, db, lost, editor, app_with_hook):
        other = StudyFactory()
        db.commit()
        with app_with_hook(editor):
            answer = editor.post(f"/api/studies/{other.slug}/alerts/{lost.id}/send-again")
        assert answer.status_code == 404

    def test_one_whose_receiver_is_gone_says_so(self, study, lost, editor):
        answer = editor.post(f"/api/studies/{study.slug}/alerts/{lost.id}/send-again")
        assert "the settings name none" in answer.text

    def test_what_arrived_in_the_end_is_shown_no_more(self, db, study, lost):
        with receiving() as (address, _):
            deliver_alert(db, with_hook(Settings(_env_file=None), address), lost.alert_id, BEGAN, WEBHOOK)
        assert undelivered(db, study) == []


class TestWithAWorker:
    """A worker process, a receiver that fails first, and a mail server."""

    def test_an_alert_arrives_once_by_each_receiver(self, own_database, tmp_path):
        settings, sessions = own_database
        with sessions() as session:
            factories.SESSION_HOLDER["session"] = session
            study = StudyFactory(opened_at=LONG_AGO)
            arm = ArmFactory(study_id=study.id)
            QuotaFactory(arm_id=arm.id, pair_id=PairFactory(study_id=study.id).id, wanted=9)
            for _ in range(2):
                enqueue(session, CHECK_ALERTS, timestamp=0)
            session.commit()
        factories.SESSION_HOLDER.clear()
        with receiving(500, then=200) as (address, got), taking_mail() as (port, letters):
            environment = {
                "CYBORG_DATABASE_URL": settings.database_url,
                "CYBORG_DATA_DIR": str(tmp_path),
                "CYBORG_ALERT_WEBHOOK_URL": address,
                "CYBORG_ALERT_WEBHOOK_SECRET": SECRET,
                "CYBORG_ALERT_MAIL_TO": "ada@lab.example",
                "CYBORG_SMTP_URL": f"smtp://127.0.0.1:{port}",
            }
            worker = subprocess.Popen([*COMMAND, "worker"], env=os.environ | environment)
            try:
                wait_until(lambda: deliveries(sessions) == {("webhook", 2, True), ("mail", 1, True)})
                with sessions.begin() as session:
                    enqueue(session, CHECK_ALERTS, timestamp=0)
                wait_until(lambda: all_done(sessions))
            finally:
                worker.terminate()
                worker.wait(30)
        assert [headers["webhook-id"] for headers, _ in got] == [got[0][0]["webhook-id"]] * 2
        assert len(letters) == 1
        assert "nobody came" in letters[0]


def deliveries(sessions):
    """(receiver, tries, whether it arrived) of each."""
    with sessions() as session:
        return {
            (one.receiver, one.tries, bool(one.arrived_at)) for one in session.scalars(select(AlertDelivery))
        }


def all_done(sessions):
    with sessions() as session:
        return session.scalar(LEFT) == 0


def wait_until(done):
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.1)


class TestTrial:
    def test_it_needs_somewhere_to_go(self, settings):
        with pytest.raises(BadInput, match="CYBORG_ALERT_WEBHOOK_URL"):
            try_out(settings)

    def test_it_arrives(self, settings):
        with receiving() as (address, got):
            assert try_out(with_hook(settings, address)) == ["webhook"]
        assert json.loads(got[0][1])["data"]["kind"] == "trial"


@pytest.fixture
def study(db):
    return StudyFactory(opened_at=LONG_AGO)


@pytest.fixture
def arm(study):
    return ArmFactory(study_id=study.id)


@pytest.fixture
def decide(study, arm):
    """One judgement of one that is wanted."""

    def make(**person):
        pair = PairFactory(study_id=study.id)
        QuotaFactory(arm_id=arm.id, pair_id=pair.id, wanted=1, taken=1)
        trial = TrialFactory(participant=ParticipantFactory(arm=arm, **person), pair=pair, state="decided")
        DecisionFactory(trial=trial, decided_at=datetime.now(UTC))

    return make


@pytest.fixture
def alert(db, study):
    made = Alert(kind=AlertKind.FULL, study_id=study.id, text="Full.")
    db.add(made)
    db.flush()
    return made


@pytest.fixture
def run(db, study):
    maps = MapSet(study_id=study.id, version=1, parameters={})
    db.add(maps)
    db.flush()
    data = Dataset(
        content_hash="a", study_id=study.id, map_set_id=maps.id, folder="f", parameters={}, counts={}
    )
    db.add(data)
    db.flush()
    experiment = Experiment(name="first", dataset_id=data.id, recipe={})
    db.add(experiment)
    db.flush()

    def make(state, *, ended_at=None):
        ended_at = ended_at or datetime.now(UTC)
        made = Run(
            experiment_id=experiment.id,
            architecture="resnet50",
            scenario="cyborg",
            seed=1,
            config={},
            folder="f",
            state=state,
            ended_at=ended_at,
        )
        db.add(made)
        db.flush()
        return made

    return make


@pytest.fixture
def app_with_hook(settings):
    """The application of a client with a webhook in its settings."""

    @contextmanager
    def have(client):
        before = client.app.state.settings
        client.app.state.settings = with_hook(before, "https://lab.example/hook")
        yield
        client.app.state.settings = before

    return have


@pytest.fixture
def hooked(settings):
    return with_hook(settings, "https://lab.example/hook")


def with_hook(settings, address):
    hook = {"alert_webhook_url": SecretStr(address), "alert_webhook_secret": SecretStr(SECRET)}
    return settings.model_copy(update=hook)


def standing(db, settings, study):
    db.flush()
    check_alerts(db, settings)
    return [one.kind for one in open_alerts(db, study)]


def jobs(db):
    return [(args["alert_id"], args["turn"]) for args in db.scalars(QUEUED)]


@contextmanager
def receiving(status=200, *, then=None):
    """A server that takes posts: its address, and (headers, body) of each. It answers the first with
    `status`, and all others with `then`."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status if len(got) == 1 or then is None else then)
            self.end_headers()

        def log_message(self, *_):
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield f"http://127.0.0.1:{port}", got


@contextmanager
def taking_mail():
    """A mail server without encryption: its port, and the letters that it took."""
    letters = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            for line in self.rfile:
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    letters.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                if line.upper().startswith(b"QUIT"):
                    self.wfile.write(b"221 bye\r\n")
                    return
                self.wfile.write(b"250 ok\r\n")

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port, letters


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()
