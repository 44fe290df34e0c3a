"""Logging in with a code of an app beside the password."""

import re
import time
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, update

from app.accounts import attempts, second_factor
from app.accounts.attempts import Allowance
from app.accounts.service import login_link, open_session
from app.accounts.token_service import create_token
from app.deps import SESSION_COOKIE
from app.models import AuditEntry, RecoveryCode, Role, SecondFactor, StaffSession
from app.security import passwords
from tests.support.factories import StaffFactory

PASSWORD = "correct horse battery"
BROWSER = {"accept": "text/html"}


class TestSettingUp:
    def test_the_page_shows_the_code_until_it_is_confirmed(self, client, db, browse, person):
        browse(person)
        client.post(f"{HERE}/begin")
        page = client.get(HERE, headers=BROWSER).text
        secret = db.scalars(select(SecondFactor.secret)).one()
        assert ("<svg" in page, secret in page) == (True, True)
        client.post(f"{HERE}/confirm", data={"code": code_of(secret)})
        later = client.get(HERE, headers=BROWSER).text
        assert ("<svg" in later, secret in later) == (False, False)

    def test_before_it_is_confirmed_a_login_takes_no_code(
        self, client, db, browse, person, log_in_by_password
    ):
        browse(person)
        client.post(f"{HERE}/begin")
        assert log_in_by_password().headers["location"] == "/staff"

    def test_a_wrong_code_confirms_nothing(self, client, db, browse, person):
        browse(person)
        client.post(f"{HERE}/begin")
        assert client.post(f"{HERE}/confirm", data={"code": "000000"}).status_code == 422
        assert not second_factor.has_factor(db, person)

    def test_confirming_ends_every_other_login(self, client, db, browse, person):
        other = open_session(db, person, lifetime=timedelta(hours=1))
        browse(person)
        client.post(f"{HERE}/begin")
        client.post(f"{HERE}/confirm", data={"code": code_of(db.scalars(select(SecondFactor.secret)).one())})
        client.cookies[SESSION_COOKIE] = other
        assert client.get("/staff").status_code == 401

    def test_the_recovery_codes_are_shown_once_and_kept_as_hashes(self, client, db, browse, person):
        browse(person)
        client.post(f"{HERE}/begin")
        client.post(f"{HERE}/confirm", data={"code": code_of(db.scalars(select(SecondFactor.secret)).one())})
        shown, again = (
            re.findall(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}", client.get(HERE, headers=BROWSER).text)
            for _ in "ab"
        )
        kept = db.scalars(select(RecoveryCode.code_hash)).all()
        assert (len(set(shown)), again, len(kept)) == (10, [], 10)
        assert not set(shown) & set(kept)


class TestLoggingIn:
    def test_the_password_alone_opens_nothing(self, client, log_in_by_password, factor):
        assert log_in_by_password().headers["location"] == "/login/code?next=/staff"
        assert [client.get(path).status_code for path in ("/staff", "/api/me", HERE)] == [401] * 3

    def test_a_code_opens_with_a_new_token(self, client, log_in_by_password, factor):
        log_in_by_password()
        waiting = client.cookies[SESSION_COOKIE]
        answer = client.post("/login/code", data={"code": code_of(factor.secret), "next": "/staff/images"})
        assert answer.headers["location"] == "/staff/images"
        assert client.cookies[SESSION_COOKIE] != waiting
        assert client.get("/staff", headers=BROWSER).status_code == 200

    def test_a_link_needs_the_code_too(self, client, db, person, factor):
        link = login_link(db, person)
        db.commit()
        assert client.post(link).headers["location"].startswith("/login/code")
        assert client.get("/staff").status_code == 401

    def test_a_code_works_once(self, client, log_in_by_password, factor):
        code = code_of(factor.secret)
        answers = []
        for _ in range(2):
            log_in_by_password()
            answers.append(client.post("/login/code", data={"code": code}).status_code)
        assert answers == [303, 401]

    @pytest.mark.parametrize(("steps", "status"), [(-3, 401), (-1, 303), (1, 303), (3, 401)])
    def test_clocks_may_differ_by_a_step(self, client, log_in_by_password, factor, steps, status):
        log_in_by_password()
        code = pyotp.TOTP(factor.secret).at(time.time() + 30 * steps)
        assert client.post("/login/code", data={"code": code}).status_code == status

    def test_a_recovery_code_works_once(self, client, db, person, log_in_by_password, factor):
        code = second_factor.new_recovery_codes(db, person)[0].upper().replace("-", " ")
        db.commit()
        answers = []
        for _ in range(2):
            log_in_by_password()
            answers.append(client.post("/login/code", data={"code": code}).status_code)
        assert answers == [303, 401]

    def test_a_code_of_somebody_else_opens_nothing(self, client, db, log_in_by_password, factor):
        other = StaffFactory()
        stranger = second_factor.begin(db, other)
        log_in_by_password()
        assert client.post("/login/code", data={"code": code_of(stranger.secret)}).status_code == 401

    def test_guessing_is_stopped_also_for_the_right_code(
        self, client, log_in_by_password, factor, monkeypatch
    ):
        monkeypatch.setattr(attempts, "CODES", Allowance("codes", 2, timedelta(minutes=1), "Too many."))
        log_in_by_password()
        codes = ["000000", "000000", code_of(factor.secret)]
        assert [client.post("/login/code", data={"code": one}).status_code for one in codes] == [
            401,
            401,
            429,
        ]

    def test_the_time_for_the_code_ends(self, client, db, log_in_by_password, factor):
        log_in_by_password()
        db.execute(update(StaffSession).values(expires_at=StaffSession.expires_at - timedelta(minutes=6)))
        db.commit()
        assert client.post("/login/code", data={"code": code_of(factor.secret)}).status_code == 401

    def test_it_is_in_the_audit_log_without_a_secret(self, client, db, log_in_by_password, factor):
        log_in_by_password()
        client.post("/login/code", data={"code": code_of(factor.secret)})
        entries = db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [(entry.action, entry.changes) for entry in entries] == [
            ("account.login", ["a password was right, and a code is asked for"]),
            ("account.login", ["logged in with a code"]),
        ]


class TestRemoving:
    def test_it_takes_a_code(self, client, db, browse, person, factor):
        browse(person)
        assert client.post(f"{HERE}/remove", data={"code": "000000"}).status_code == 422
        assert client.post(f"{HERE}/remove", data={"code": code_of(factor.secret)}).status_code == 303
        assert db.scalars(select(SecondFactor)).all() == []

    def test_an_admin_removes_it_for_somebody(self, client, db, browse, person, factor):
        browse(StaffFactory(role=Role.ADMIN))
        client.post(f"/staff/people/{person.id}/second-factor/remove")
        assert db.scalars(select(SecondFactor)).all() == []


class TestARoleThatNeedsIt:
    def test_every_page_leads_to_setting_it_up(self, strict, browse, person):
        browse(person)
        assert strict.get("/staff", headers=BROWSER).headers["location"] == HERE
        assert strict.get("/staff/account", headers=BROWSER).headers["location"] == HERE
        assert strict.get(HERE, headers=BROWSER).status_code == 200

    def test_nothing_can_be_changed_before(self, strict, browse, person):
        browse(person)
        refused = strict.post("/staff/studies/x/open")
        assert (refused.status_code, refused.json()["error"]) == (403, "second_factor_missing")

    def test_an_api_token_of_that_person_waits_too(self, strict, db, person):
        token = create_token(db, person, name="t", scopes=[], lifetime=timedelta(days=1))
        db.commit()
        strict.cookies.clear()
        assert strict.get("/api/me", headers={"authorization": f"Bearer {token}"}).status_code == 403

    def test_with_it_everything_opens(self, strict, browse, person, factor):
        browse(person)
        assert strict.get("/staff", headers=BROWSER).status_code == 200

    def test_another_role_is_asked_for_nothing(self, strict, browse):
        browse(StaffFactory(role=Role.VIEWER))
        assert strict.get("/staff", headers=BROWSER).status_code == 200


HERE = "/staff/account/second-factor"


def code_of(secret):
    return pyotp.TOTP(secret).now()


@pytest.fixture(scope="module")
def password_hash():
    return passwords.hash(PASSWORD)


@pytest.fixture
def person(db, password_hash):
    return StaffFactory(role=Role.EDITOR, password_hash=password_hash)


@pytest.fixture
def factor(db, person):
    """Confirmed, by a code that nobody used just now."""
    made = second_factor.begin(db, person)
    made.confirmed_at = person.created_at
    db.commit()
    return made


@pytest.fixture
def log_in_by_password(client, person):
    return lambda: client.post("/login", data={"email": person.email, "password": PASSWORD})


@pytest.fixture
def browse(client, db):
    def become(someone):
        client.cookies[SESSION_COOKIE] = open_session(db, someone, lifetime=timedelta(hours=1))
        db.commit()

    return become


@pytest.fixture
def strict(client, settings):
    """The browser, at a platform where editors need a second factor."""
    client.app.state.settings = settings.model_copy(update={"second_factor_for": "editor"})
    return client
