"""Logging in with a code of an app beside the password."""

import re
import time
from datetime import timedelta

import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import select, text, update

from app.accounts import attempts, second_factor
from app.accounts.attempts import Allowance
from app.accounts.service import login_link, open_session
from app.accounts.token_service import create_token
from app.deps import SESSION_COOKIE
from app.errors import WrongState
from app.models import AuditEntry, RecoveryCode, Role, SecondFactor, StaffSession
from app.security import passwords
from tests.support.factories import StaffFactory

PASSWORD = "correct horse battery"
BROWSER = {"accept": "text/html"}


class TestSettingUp:
    def test_the_page_shows_the_code_until_it_is_confirmed(self, client, db, browse, person, settings):
        browse(person)
        client.post(f"{HERE}/begin")
        page = client.get(HERE, headers=BROWSER).text
        secret = the_secret(db, settings)
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

    def test_confirming_ends_every_other_login(self, client, db, browse, person, settings):
        other = open_session(db, person, lifetime=timedelta(hours=1))
        browse(person)
        client.post(f"{HERE}/begin")
        client.post(f"{HERE}/confirm", data={"code": code_of(the_secret(db, settings))})
        client.cookies[SESSION_COOKIE] = other
        assert client.get("/staff").status_code == 401

    def test_the_recovery_codes_are_shown_once_and_kept_as_hashes(self, client, db, browse, person, settings):
        browse(person)
        client.post(f"{HERE}/begin")
        client.post(f"{HERE}/confirm", data={"code": code_of(the_secret(db, settings))})
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

    def test_a_code_opens_with_a_new_token(self, client, log_in_by_password, factor, db, settings):
        log_in_by_password()
        waiting = client.cookies[SESSION_COOKIE]
        answer = client.post(
            "/login/code", data={"code": code_of(the_secret(db, settings)), "next": "/staff/images"}
        )
        assert answer.headers["location"] == "/staff/images"
        assert client.cookies[SESSION_COOKIE] != waiting
        assert client.get("/staff", headers=BROWSER).status_code == 200

    def test_a_link_needs_the_code_too(self, client, db, person, factor):
        link = login_link(db, person)
        db.commit()
        assert client.post(link).headers["location"].startswith("/login/code")
        assert client.get("/staff").status_code == 401

    def test_a_code_works_once(self, client, log_in_by_password, factor, db, settings):
        code = code_of(the_secret(db, settings))
        answers = []
        for _ in range(2):
            log_in_by_password()
            answers.append(client.post("/login/code", data={"code": code}).status_code)
        assert answers == [303, 401]

    @pytest.mark.parametrize(("steps", "status"), [(-3, 401), (-1, 303), (1, 303), (3, 401)])
    def test_clocks_may_differ_by_a_step(
        self, client, log_in_by_password, factor, steps, status, db, settings
    ):
        log_in_by_password()
        code = pyotp.TOTP(the_secret(db, settings)).at(time.time() + 30 * steps)
        assert client.post("/login/code", data={"code": code}).status_code == status

    def test_a_recovery_code_works_once(self, client, db, person, log_in_by_password, factor):
        code = second_factor.new_recovery_codes(db, person)[0].upper().replace("-", " ")
        db.commit()
        answers = []
        for _ in range(2):
            log_in_by_password()
            answers.append(client.post("/login/code", data={"code": code}).status_code)
        assert answers == [303, 401]

    def test_a_code_of_somebody_else_opens_nothing(self, client, db, log_in_by_password, factor, settings):
        other = StaffFactory()
        stranger = second_factor.begin(db, other, settings)
        log_in_by_password()
        assert (
            client.post(
                "/login/code", data={"code": code_of(second_factor.secret_of(db, stranger, settings))}
            ).status_code
            == 401
        )

    def test_guessing_is_stopped_also_for_the_right_code(
        self, client, log_in_by_password, factor, monkeypatch, db, settings
    ):
        monkeypatch.setattr(attempts, "CODES", Allowance("codes", 2, timedelta(minutes=1), "Too many."))
        log_in_by_password()
        codes = ["000000", "000000", code_of(the_secret(db, settings))]
        assert [client.post("/login/code", data={"code": one}).status_code for one in codes] == [
            401,
            401,
            429,
        ]

    def test_the_time_for_the_code_ends(self, client, db, log_in_by_password, factor, settings):
        log_in_by_password()
        db.execute(update(StaffSession).values(expires_at=StaffSession.expires_at - timedelta(minutes=6)))
        db.commit()
        assert client.post("/login/code", data={"code": code_of(the_secret(db, settings))}).status_code == 401

    def test_it_is_in_the_audit_log_without_a_secret(self, client, db, log_in_by_password, factor, settings):
        log_in_by_password()
        client.post("/login/code", data={"code": code_of(the_secret(db, settings))})
        entries = db.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [(entry.action, entry.changes) for entry in entries] == [
            ("account.login", ["a password was right, and a code is asked for"]),
            ("account.login", ["logged in with a code"]),
        ]


class TestRemoving:
    def test_it_takes_a_code(self, client, db, browse, person, factor, settings):
        browse(person)
        assert client.post(f"{HERE}/remove", data={"code": "000000"}).status_code == 422
        assert (
            client.post(f"{HERE}/remove", data={"code": code_of(the_secret(db, settings))}).status_code == 303
        )
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


def the_secret(db, settings) -> str:
    """Of the only second factor that there is."""
    return second_factor.secret_of(db, db.scalars(select(SecondFactor)).one(), settings)


@pytest.fixture
def person(db, password_hash):
    return StaffFactory(role=Role.EDITOR, password_hash=password_hash)


@pytest.fixture
def factor(db, person, settings):
    """Confirmed, by a code that nobody used just now."""
    made = second_factor.begin(db, person, settings)
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


class TestSealing:
    def test_no_table_holds_the_secret(self, db, settings, factor):
        stored = db.execute(text("SELECT secret, sealed_secret FROM second_factor")).one()
        assert stored.secret is None
        assert the_secret(db, settings).encode() not in stored.sealed_secret

    def test_one_of_an_earlier_version_is_sealed_when_it_is_used(
        self, client, db, settings, factor, log_in_by_password
    ):
        secret = the_secret(db, settings)
        factor.secret, factor.sealed_secret = secret, None
        db.commit()
        log_in_by_password()
        assert client.post("/login/code", data={"code": code_of(secret)}).status_code == 303
        db.refresh(factor)
        assert (factor.secret, factor.sealed_secret is None) == (None, False)

    def test_a_recovery_code_works_where_the_key_is_lost(self, db, settings, person, factor):
        (code, *_) = second_factor.new_recovery_codes(db, person)
        lost = settings.model_copy(update={"token_key": SecretStr("another")})
        assert second_factor.spend(db, person, code, lost)
        with pytest.raises(WrongState, match="CYBORG_TOKEN_KEY"):
            second_factor.spend(db, person, "000000", lost)


class TestRefusedLogins:
    def test_a_wrong_password_is_in_the_audit_log_without_what_was_typed(self, client, db, person):
        client.post("/login", data={"email": person.email, "password": "not-it-at-all"})
        client.post("/login", data={"email": "my-password@lab.example", "password": "x"})
        known, unknown = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(2)).all()[::-1]
        assert (known.who, known.action) == (person.email, "account.login")
        assert known.changes == ["refused: a wrong e-mail or password"]
        assert (unknown.staff_id, unknown.who) == (None, "nobody with an account")
        assert "my-password" not in str(vars(unknown))

    def test_a_wrong_code_is_in_it(self, client, db, person, factor, log_in_by_password):
        log_in_by_password()
        client.post("/login/code", data={"code": "000000"})
        entry = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
        assert (entry.who, entry.changes) == (person.email, ["refused: a wrong code"])
