import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update

from app.accounts import attempts, service
from app.accounts.attempts import Allowance
from app.accounts.routes import local
from app.deps import SESSION_COOKIE
from app.errors import AlreadyExists, BadInput
from app.models import LoginLink, PasswordTries, Role, Staff, StaffSession
from app.security import passwords, token_hash
from tests.support.factories import StaffFactory

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

    def test_the_cookie_needs_https_where_the_platform_has_it(
        self, settings, session_factory, colleague, application
    ):
        made = application(settings.model_copy(update={"public_url": "https://lab.example"}), session_factory)
        with TestClient(made, follow_redirects=False) as client:
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

    def test_somebody_disabled_has_no_password(self, db, login, colleague):
        colleague.disabled_at = datetime.now(UTC)
        db.commit()
        assert login().status_code == 401

    def test_an_unknown_address_gets_the_same_page(self, client, colleague):
        def refused(email):
            return client.post("/login", data={"email": email, "password": "wrong"}).text.replace(email, "")

        assert refused("nobody@lab.example") == refused(colleague.email)

    def test_an_unknown_address_takes_the_time_of_a_wrong_password(self, dear_passwords, db, colleague):
        def seconds(email):
            start = time.perf_counter()
            service.authenticate(db, email=email, password="wrong")
            return time.perf_counter() - start

        colleague.password_hash = passwords.hash(PASSWORD)
        unknown = min(seconds("nobody@lab.example") for _ in range(3))
        assert unknown > min(seconds(colleague.email) for _ in range(3)) / 3

    def test_an_account_without_a_password_has_no_password(self, db):
        person = StaffFactory()
        assert service.authenticate(db, email=person.email, password="") is None

    def test_guessing_is_stopped(self, client, colleague, few):
        few("GUESSES", 2)
        guess = {"email": colleague.email, "password": "wrong"}
        answers = [client.post("/login", data=guess).status_code for _ in range(3)]
        assert answers == [401, 401, 429]

    def test_after_a_while_one_may_guess_again(self, client, db, colleague, few):
        few("GUESSES", 2)
        guess = {"email": colleague.email, "password": "wrong"}
        for _ in range(3):
            client.post("/login", data=guess)
        db.execute(update(PasswordTries).values(used_until=PasswordTries.used_until - timedelta(seconds=31)))
        db.commit()
        assert [client.post("/login", data=guess).status_code for _ in range(2)] == [401, 429]

    def test_a_flood_of_names_is_stopped_before_it_costs_anything(self, client, colleague, few, monkeypatch):
        few("ATTEMPTS", 2)
        guesses = [{"email": f"{n}@lab.example", "password": "wrong"} for n in range(3)]
        assert [client.post("/login", data=guess).status_code for guess in guesses[:2]] == [401, 401]
        monkeypatch.setattr(service, "authenticate", None)
        assert client.post("/login", data=guesses[2]).status_code == 429

    def test_the_right_password_does_not_count_as_guessing(self, login, few):
        few("GUESSES", 2)
        assert [login().status_code for _ in range(4)] == [303] * 4

    def test_guesses_at_one_account_leave_the_others_alone(self, client, colleague, login, few):
        few("GUESSES", 1)
        for _ in range(2):
            client.post("/login", data={"email": "nobody@lab.example", "password": "wrong"})
        assert login().status_code == 303

    def test_neither_addresses_nor_e_mails_are_kept(self, client, db, colleague):
        client.post("/login", data={"email": colleague.email, "password": "wrong"})
        keys = db.scalars(select(PasswordTries.key_hash)).all()
        assert [len(key) for key in keys] == [64, 64]

    def test_tries_that_say_nothing_any_more_are_forgotten(self, client, db, colleague):
        client.post("/login", data={"email": "nobody@lab.example", "password": "wrong"})
        db.execute(update(PasswordTries).values(used_until=datetime.now(UTC) - timedelta(days=1)))
        db.commit()
        client.post("/login", data={"email": colleague.email, "password": "wrong"})
        assert db.scalar(select(func.count()).select_from(PasswordTries)) == 2

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


class TestManyAtOnce:
    """Over a database of its own, with two applications on it, as two web processes are."""

    def test_forty_wrong_passwords_are_ten_tries(self, own_database, application):
        settings, sessions = own_database
        with sessions.begin() as session:
            service.add_staff(session, email="a@lab.example", name="A", role=Role.ADMIN, password=PASSWORD)
        guess = {"email": "a@lab.example", "password": "wrong"}
        with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
            two = [stack.enter_context(TestClient(application(settings, sessions))) for _ in range(2)]
            answers = pool.map(lambda n: two[n % 2].post("/login", data=guess).status_code, range(40))
            assert Counter(answers) == {401: 10, 429: 30}

    def test_of_some_links_used_at_once_one_opens(self, own_database, application):
        settings, sessions = own_database
        with sessions.begin() as session:
            person = service.add_staff(session, email="a@lab.example", name="A", role=Role.ADMIN)
            links = [service.login_link(session, person) for _ in range(4)]
        made = application(settings, sessions)
        with TestClient(made, follow_redirects=False) as client, ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda link: client.post(link).status_code, links))
        assert sorted(answers) == [303, 404, 404, 404]


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

    def test_using_one_voids_the_others_of_that_person_and_nobody_elses(self, client, db, link, owner):
        others = [service.login_link(db, person) for person in (owner, StaffFactory())]
        db.commit()
        client.post(link)
        assert [client.get(other).status_code for other in others] == [404, 200]

    @pytest.mark.parametrize("change", ["password", "role", "disabled"])
    def test_what_changes_an_account_voids_its_links(self, client, db, link, owner, change):
        admin, other = StaffFactory(role=Role.ADMIN), service.login_link(db, StaffFactory())
        match change:
            case "password":
                service.change_password(db, owner, current="", new="a new password", keep="")
            case "role":
                service.change_role(db, owner, Role.ADMIN, by=admin)
            case "disabled":
                service.disable(db, owner, by=admin)
                service.enable(owner)
        db.commit()
        assert [client.post(one).status_code for one in (link, other)] == [404, 303]

    def test_lapsed_ones_are_forgotten_with_the_next(self, db, link, owner):
        db.execute(update(LoginLink).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        service.login_link(db, owner)
        assert db.scalar(select(func.count()).select_from(LoginLink)) == 1

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


class TestInvitation:
    @pytest.fixture
    def admin(self, log_in):
        return log_in(Role.ADMIN)

    def test_it_lasts_as_long_as_was_chosen(self, admin, db):
        form = {"name": "Bob", "email": "bob@lab.example", "role": "viewer", "lasts": "an hour"}
        admin.post("/staff/people", data=form)
        person = service.find_staff(db, "bob@lab.example")
        left = service.open_links(db)[person.id] - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(hours=1)
        assert "invited, link until" in admin.get("/staff/people").text

    def test_another_time_is_refused(self, admin, owner):
        assert admin.post(f"/staff/people/{owner.id}/link", data={"lasts": "a year"}).status_code == 422

    def test_a_withdrawn_one_lets_nobody_in(self, admin, db, owner, link):
        assert admin.post(f"/staff/people/{owner.id}/link/withdraw").status_code == 303
        assert admin.post(link).status_code == 404
        assert admin.post(f"/staff/people/{owner.id}/link/withdraw").status_code == 409


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

    def test_guessing_it_is_stopped(self, client, login, few):
        login()
        few("GUESSES", 2)
        assert [change(client, current="guess").status_code for _ in range(3)] == [422, 422, 429]
        assert change(client, current=PASSWORD).status_code == 429

    def test_two_different_new_ones_change_nothing(self, client, db, colleague, login):
        login()
        assert change(client, current=PASSWORD, again="typed wrong").status_code == 422
        assert passwords.verify(PASSWORD, db.get(Staff, colleague.id, populate_existing=True).password_hash)

    def test_a_short_one_is_refused(self, client, login):
        login()
        assert change(client, current=PASSWORD, new="short", again="short").status_code == 422

    def test_changing_it_ends_every_other_login_of_that_person(self, client, db, login):
        somebody = StaffFactory()
        service.open_session(db, somebody, lifetime=timedelta(hours=1))
        db.commit()
        login()
        login()
        change(client, current=PASSWORD)
        left = db.scalars(select(StaffSession.staff_id)).all()
        assert (len(left), somebody.id in left) == (2, True)
        assert client.get("/staff/account", headers=BROWSER).status_code == 200


class TestPeople:
    def test_an_editor_may_not_see_them(self, client, login):
        login()
        assert client.get("/staff/people", headers=BROWSER).status_code == 403

    def test_an_admin_adds_somebody_who_comes_in_by_a_link(self, client, admin):
        form = {"email": "New@Lab.example", "name": "N", "role": "viewer"}
        answer = client.post("/staff/people", data=form, follow_redirects=True)
        assert "new@lab.example" in answer.text
        assert "http://127.0.0.1:8000/login/link/" in answer.text

    def test_the_link_is_shown_once(self, client, admin):
        client.post("/staff/people", data={"email": "new@lab.example", "name": "N", "role": "viewer"})
        pages = [client.get("/staff/people", headers=BROWSER).text for _ in range(2)]
        assert ["/login/link/" in page for page in pages] == [True, False]

    @pytest.mark.parametrize("damaged", ["", "!", "e30=", "WzFd"])
    def test_a_notice_that_cannot_be_read_is_none(self, client, admin, damaged):
        client.cookies.set("cyborg_flash", damaged, path="/staff")
        assert client.get("/staff/people", headers=BROWSER).status_code == 200

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
def few(monkeypatch):
    """Allow only a few tries in a minute."""

    def allow(name, most):
        allowance = Allowance(name, most, timedelta(minutes=1), "Too many.")
        monkeypatch.setattr(attempts, name, allowance)

    return allow


@pytest.fixture
def owner(db):
    return StaffFactory()


@pytest.fixture
def link(db, owner):
    path = service.login_link(db, owner)
    db.commit()
    return path


@pytest.fixture
def admin(client, db):
    person = StaffFactory(role=Role.ADMIN)
    client.cookies[SESSION_COOKIE] = service.open_session(db, person, lifetime=timedelta(hours=1))
    db.commit()
    return person
