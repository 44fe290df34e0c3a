import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from app.accounts import routes, service
from app.accounts.routes import local
from app.deps import SESSION_COOKIE
from app.errors import AlreadyExists, BadInput
from app.models import LoginLink, Role, Staff, StaffSession
from app.security import RateLimit, passwords, token_hash
from tests.app.factories import StaffFactory

PASSWORD = "correct horse"
BROWSER = {"accept": "text/html"}


class TestLogin:
    def test_the_right_password_opens_the_staff_pages(self, client, login):
        login()
        assert client.get("/staff/account", headers=BROWSER).status_code == 200

    def test_it_goes_where_one_wanted_to_go(self, login):
        assert login(next="/staff/images?label=real").headers["location"] == "/staff/images?label=real"

    def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(self, login):
        cookie = login().headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie  # the platform of this test is on plain http

    def test_the_cookie_needs_https_where_the_platform_has_it(self, settings, session_factory, colleague):
        from fastapi.testclient import TestClient

        from app.main import create_app

        application = create_app(
            settings.model_copy(update={"public_url": "https://lab.example"}), session_factory=session_factory
        )
        with TestClient(application, follow_redirects=False) as client:
            answer = client.post("/login", data={"email": colleague.email, "password": PASSWORD})
        assert "; Secure" in answer.headers["set-cookie"]

    def test_only_the_hash_of_the_token_is_stored(self, client, db, login):
        login()
        stored = db.scalars(select(StaffSession.token_hash)).one()
        assert stored == token_hash(client.cookies[SESSION_COOKIE])

    def test_a_wrong_password_keeps_the_address_and_says_nothing_more(self, client, colleague):
        answer = client.post("/login", data={"email": colleague.email, "password": "wrong"})
        assert answer.status_code == 401
        assert colleague.email in answer.text
        assert SESSION_COOKIE not in client.cookies

    def test_an_unknown_address_gets_the_same_page(self, client, colleague):
        def refused(email):
            return client.post("/login", data={"email": email, "password": "wrong"}).text.replace(email, "")

        assert refused("nobody@lab.example") == refused(colleague.email)

    def test_an_unknown_address_takes_the_time_of_a_wrong_password(self, db, colleague):
        def seconds(email):
            start = time.perf_counter()
            service.authenticate(db, email=email, password="wrong")
            return time.perf_counter() - start

        unknown = min(seconds("nobody@lab.example") for _ in range(3))
        assert unknown > min(seconds(colleague.email) for _ in range(3)) / 3

    def test_an_account_without_a_password_has_no_password(self, db):
        person = StaffFactory()
        assert service.authenticate(db, email=person.email, password="") is None

    def test_guessing_is_stopped(self, client, colleague, monkeypatch):
        monkeypatch.setattr(routes, "GUESSES", RateLimit("2 per minute", "Too many."))
        guess = {"email": colleague.email, "password": "wrong"}
        answers = [client.post("/login", data=guess).status_code for _ in range(3)]
        assert answers == [401, 401, 429]

    def test_a_flood_of_names_is_stopped_before_it_costs_anything(self, client, colleague, monkeypatch):
        monkeypatch.setattr(routes, "ATTEMPTS", RateLimit("2 per minute", "Too many."))
        guesses = [{"email": f"{n}@lab.example", "password": "wrong"} for n in range(3)]
        assert [client.post("/login", data=guess).status_code for guess in guesses] == [401, 401, 429]

    def test_the_right_password_does_not_count_as_guessing(self, login, monkeypatch):
        monkeypatch.setattr(routes, "GUESSES", RateLimit("2 per minute", "Too many."))
        assert [login().status_code for _ in range(4)] == [303] * 4

    def test_guesses_at_one_account_leave_the_others_alone(self, client, colleague, login, monkeypatch):
        monkeypatch.setattr(routes, "GUESSES", RateLimit("1 per minute", "Too many."))
        for _ in range(2):
            client.post("/login", data={"email": "nobody@lab.example", "password": "wrong"})
        assert login().status_code == 303

    def test_a_login_lapses(self, client, db, login):
        login()
        db.execute(update(StaffSession).values(expires_at=datetime.now(UTC)))
        db.commit()
        answer = client.get("/staff/account", headers=BROWSER)
        assert answer.headers["location"] == "/login?next=/staff/account"

    def test_logout_ends_it_on_the_server_too(self, client, db, login):
        login()
        client.post("/logout")
        assert db.scalar(select(func.count()).select_from(StaffSession)) == 0

    def test_another_site_cannot_log_anybody_in(self, client, colleague):
        form = {"email": colleague.email, "password": PASSWORD}
        answer = client.post("/login", data=form, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403


class TestNext:
    @pytest.mark.parametrize("path", ["/staff", "/staff/studies/faces?x=1&y=//z"])
    def test_a_path_of_this_site_is_followed(self, path):
        assert local(path) == path

    @pytest.mark.parametrize(
        "path",
        ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "", "javascript:x"],
    )
    def test_anything_else_is_not(self, path):
        assert local(path) == "/staff"


class TestLoginLink:
    def test_looking_at_it_spends_nothing(self, client, link):
        assert [client.get(link).status_code for _ in range(3)] == [200] * 3
        assert SESSION_COOKIE not in client.cookies

    def test_the_button_logs_in(self, client, link):
        assert client.post(link).headers["location"] == "/staff"
        assert "You have no password yet" in client.get("/staff", headers=BROWSER).text

    def test_it_works_once(self, client, link):
        assert [client.post(link).status_code, client.post(link).status_code] == [303, 404]

    def test_it_lapses(self, client, db, link):
        db.execute(update(LoginLink).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        db.commit()
        assert client.post(link).status_code == 404

    def test_it_is_not_stored(self, db, link):
        assert db.scalars(select(LoginLink.token_hash)).one() not in link

    def test_a_disabled_person_cannot_use_it(self, client, db, link):
        db.execute(update(Staff).values(disabled_at=datetime.now(UTC)))
        db.commit()
        assert client.post(link).status_code == 404


class TestPassword:
    def test_it_can_be_changed(self, client, db, colleague, login):
        login()
        assert change(client, current=PASSWORD).status_code == 303
        assert passwords.verify(
            "a new password", db.get(Staff, colleague.id, populate_existing=True).password_hash
        )

    def test_the_current_one_is_asked_for(self, client, login):
        login()
        assert "current password is not right" in change(client, current="guess").text

    def test_two_different_new_ones_change_nothing(self, client, db, colleague, login):
        login()
        assert change(client, current=PASSWORD, again="typed wrong").status_code == 422
        assert passwords.verify(PASSWORD, db.get(Staff, colleague.id, populate_existing=True).password_hash)

    def test_a_short_one_is_refused(self, client, login):
        login()
        assert change(client, current=PASSWORD, new="short", again="short").status_code == 422

    def test_changing_it_ends_every_other_login(self, client, db, login):
        login()
        login()
        change(client, current=PASSWORD)
        assert db.scalar(select(func.count()).select_from(StaffSession)) == 1
        assert client.get("/staff/account", headers=BROWSER).status_code == 200


class TestPeople:
    def test_an_editor_may_not_see_them(self, client, login):
        login()
        assert client.get("/staff/people", headers=BROWSER).status_code == 403

    def test_an_admin_adds_somebody_who_comes_in_by_a_link(self, client, admin):
        answer = client.post(
            "/staff/people", data={"email": "New@Lab.example", "name": "N", "role": "viewer"}
        )
        assert "new@lab.example" in answer.text
        assert "http://127.0.0.1:8000/login/link/" in answer.text

    def test_the_link_is_shown_once(self, client, admin):
        client.post("/staff/people", data={"email": "new@lab.example", "name": "N", "role": "viewer"})
        assert "/login/link/" not in client.get("/staff/people", headers=BROWSER).text

    def test_a_known_address_is_refused_and_the_form_kept(self, client, admin, colleague):
        form = {"email": colleague.email.upper(), "name": "Somebody Else", "role": "viewer"}
        answer = client.post("/staff/people", data=form)
        assert answer.status_code == 409
        assert "Somebody Else" in answer.text

    def test_disabling_logs_out_at_once(self, client, db, admin, colleague):
        service.open_session(db, colleague, lifetime=timedelta(hours=1))
        db.commit()
        client.post(f"/staff/people/{colleague.id}/disable")
        assert db.scalars(select(StaffSession.staff_id)).all() == [admin.id]

    def test_nobody_locks_themselves_out(self, client, admin):
        assert client.post(f"/staff/people/{admin.id}/disable").status_code == 409
        assert client.post(f"/staff/people/{admin.id}/role", data={"role": "viewer"}).status_code == 409

    def test_a_role_can_be_changed(self, client, db, admin, colleague):
        client.post(f"/staff/people/{colleague.id}/role", data={"role": "viewer"})
        assert db.get(Staff, colleague.id, populate_existing=True).role is Role.VIEWER

    def test_a_name_is_shown_as_text(self, client, db, admin):
        StaffFactory(name="<script>alert(1)</script>")
        assert "<script>alert" not in client.get("/staff/people", headers=BROWSER).text


class TestAddStaff:
    @pytest.mark.parametrize("email", ["", "no-at", "@host", "two@at@host", "a b@host", "a@host\n"])
    def test_what_is_no_address_is_refused(self, db, email):
        with pytest.raises(BadInput):
            service.add_staff(db, email=email.replace("\n", "\nx"), name="", role=Role.VIEWER)

    def test_case_does_not_make_a_second_account(self, db, colleague):
        with pytest.raises(AlreadyExists):
            service.add_staff(db, email=colleague.email.upper(), name="", role=Role.VIEWER)


def change(client, *, current, new="a new password", again=None):
    return client.post("/staff/account", data={"current": current, "new": new, "again": again or new})


@pytest.fixture(scope="module")
def password_hash():
    return passwords.hash(PASSWORD)


@pytest.fixture
def colleague(db, password_hash):
    return StaffFactory(password_hash=password_hash)


@pytest.fixture
def login(client, colleague):
    def log_in(**form):
        return client.post("/login", data={"email": colleague.email, "password": PASSWORD, **form})

    return log_in


@pytest.fixture
def link(db):
    path = service.login_link(db, StaffFactory())
    db.commit()
    return path


@pytest.fixture
def admin(client, db):
    person = StaffFactory(role=Role.ADMIN)
    client.cookies[SESSION_COOKIE] = service.open_session(db, person, lifetime=timedelta(hours=1))
    db.commit()
    return person
