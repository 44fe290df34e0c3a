"""Every page of the product: each link on it is followed and each form is sent, as they stand there."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import lxml.html
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.orm import Session, sessionmaker
from starlette.types import ASGIApp, Receive, Scope, Send

from app.accounts import second_factor
from app.accounts.service import open_session
from app.dashboard import audit, links
from app.dashboard.experiments import queries as experiment_queries
from app.dashboard.images import queries as image_queries
from app.dashboard.maps import queries as map_queries
from app.dashboard.maps import sets as map_pages
from app.dashboard.participants import queries as participant_queries
from app.dashboard.participants import visits as participant_visits
from app.deps import SESSION_COOKIE
from app.main import ROUTERS, create_app
from app.models import Role
from app.questions import QUESTION, YES
from app.settings import Settings
from app.storage import BlobStore
from tests.support import factories
from tests.support.crawler import NAVIGATION, Crawler
from tests.support.everything import Everything
from tests.support.grids import PICTURE, SCORES
from tests.support.local_prolific import TOKEN, LocalProlific, serving
from tests.support.pages import read

pytestmark = pytest.mark.timeout(900)

DESCRIPTION = """
slug = "pasted"
title = "Pasted"
trials_per_participant = 2
judgements = 1
pairs = {per_source = 2}
arms = [{name = "only", annotate = true}]
"""
PASSWORD = "correct horse battery staple"
TYPED = {
    "slug": "typed",
    "toml": DESCRIPTION,
    "current": PASSWORD,
    "password": PASSWORD,
    "token": TOKEN,
    "total": "999",
    "reward": "1.50",
    "pay": "0.50",
    "message": "x" * 100,
}
NOT_CHANGING = {
    "/staff/studies/{slug}/participants",  # looks somebody up
    "/staff/studies/{slug}/ticked-participants",  # nobody is ticked
    "/staff/studies/{slug}/plan",  # says what the study takes
    "/staff/experiments/new",  # checks a recipe before it starts it
    "/staff/studies/{slug}/recruit/bonuses",  # shows what would be paid
    "/staff/studies/{slug}/recruit/sync",  # asks a worker to look
    "/staff/images/new",  # says that no file was chosen
    "/staff/images/tags",  # asks for no tag
    "/staff/images/{image_id}/tags",  # asks for the tags that are there
    "/staff/images/{image_id}/split",  # asks for the split that is there
    "/staff/studies/{slug}/maps",  # asks for a map set that is there
}
"""Forms that change nothing as they stand."""
NOBODY = "nobody"
"""Who has not logged in, but for their password, and is asked for their code."""
CHOSEN = {"file": ("detector.csv", SCORES.encode()), "image": ("face.png", PICTURE)}
PAGES = {
    audit: "PAGE_SIZE",
    experiment_queries: "PAGE_SIZE",
    image_queries: "PAGE_SIZE",
    links: "PAGE_SIZE",
    map_pages: "CHANGES_A_PAGE",
    map_queries: "PAGE_SIZE",
    participant_queries: "PAGE_SIZE",
    participant_visits: "PAGE_SIZE",
}


class TestEveryPage:
    @pytest.mark.parametrize("role", [*Role, NOBODY])
    def test_each_link_and_each_form_works_as_it_stands(self, visits, role):
        assert visits[role].troubles == []

    def test_no_address_is_left_out(self, visits, site):
        left_out = {f"{one.methods} {one.path}" for one in pages() if one.endpoint not in site.reached}
        assert left_out == set()

    def test_a_viewer_finds_nothing_to_change_but_their_own(self, visits, site):
        sent = {one.address for one in visits[Role.VIEWER].forms() if one.method == "POST"}
        own = {"/login", "/logout", site.everything.link}
        others = {address for address in sent - own if not address.startswith("/staff/account")}
        assert {address for address in others if not address.endswith("/model")} == set()

    def test_every_form_that_changes_something_is_in_the_audit_log(self, visits, site):
        forms = {one.endpoint: one.path for one in pages() if "POST" in one.methods}
        assert {path for endpoint, path in forms.items() if endpoint not in site.audited} == NOT_CHANGING

    def test_an_address_that_only_takes_forms_leads_back_to_a_page(self, visits, site):
        site.log_in(Role.ADMIN)
        dead_ends = [
            address
            for route in pages()
            if "POST" in route.methods
            for address in [site.reached[route.endpoint]]
            if site.client.get(address, headers=NAVIGATION, follow_redirects=True).status_code != 200
        ]
        assert dead_ends == []


class TestQuestions:
    def test_a_press_without_a_script_gets_the_question_and_changes_nothing(self, visits, site):
        site.log_in(Role.ADMIN)
        asking = [one for one in visits[Role.ADMIN].forms() if one.asks]
        assert {one.address.rpartition("/")[2] for one in asking} >= {"open", "disable", "revoke", "abort"}
        for one in asking:
            with site.undone():
                before = site.count_audit_entries()
                shown = read(site.client.post(one.address, data=one.data, headers=NAVIGATION))
                assert shown.texts("main p") == [" ".join(dict(one.fields)[QUESTION].split())]
                assert site.count_audit_entries() == before

    def test_the_page_that_asks_sends_the_form_without_its_question(self, visits, site):
        site.log_in(Role.ADMIN)
        for one in {one.address: one for one in visits[Role.ADMIN].forms() if one.asks}.values():
            asked = site.client.post(one.address, data=one.data, headers=NAVIGATION)
            page = lxml.html.fromstring(asked.text)
            (form,) = (form for form in page.forms if form.get("method") == "post")
            assert form.get("action") is None  # where it was sent before
            assert form.form_values() == [field for field in one.fields if field[0] not in (QUESTION, YES)]


class TestEmptyFields:
    def test_an_empty_parameter_of_any_address_is_as_good_as_none(self, visits, site):
        site.log_in(Role.ADMIN)
        differ = [
            f"{address} with {name} left empty"
            for route in pages()
            if "GET" in route.methods
            for address in [site.reached[route.endpoint]]
            for name in parameters(route)
            if site.status(address, without=name) != site.status(address, empty=name)
        ]
        assert differ == []


def pages() -> Iterator[APIRoute]:
    """Every address but those that the scripts of a participant's page send to."""
    waiting = list(ROUTERS)
    while waiting:
        for one in waiting.pop().routes:
            if not isinstance(one, APIRoute):
                waiting.append(one.original_router)  # type: ignore[attr-defined]
            elif not one.path.startswith(("/api/", "/i/")):
                yield one


def parameters(route: APIRoute) -> Iterator[str]:
    """Names of all that the query of an address may say."""
    for one in route.dependant.query_params:
        fields = getattr(one.field_info.annotation, "model_fields", None)
        yield from (field.alias or name for name, field in fields.items()) if fields else [one.alias]


@dataclass
class Site:
    """A platform on which everything has happened, and what of it was asked for."""

    application: ASGIApp
    connection: Connection
    everything: Everything
    reached: dict[object, str] = field(default_factory=dict)
    """By endpoint: its longest address that was asked for."""
    audited: set[object] = field(default_factory=set)
    """Endpoints of forms that left an entry in the audit log."""
    sent_to: object = None
    """The endpoint of the last form."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application(scope, receive, send)
        if endpoint := scope.get("endpoint"):
            query = scope["query_string"].decode()
            address = f"{scope['path']}?{query}" if query else scope["path"]
            self.reached[endpoint] = max(self.reached.get(endpoint, ""), address, key=len)
            if scope["method"] == "POST":
                self.sent_to = endpoint

    @property
    def client(self) -> TestClient:
        return self.everything.client

    def log_in(self, role: Role | str) -> None:
        self.client.cookies.clear()
        with Session(self.connection, join_transaction_mode="create_savepoint") as session:
            awaits = role == NOBODY
            person = session.merge(self.everything.staff[Role.VIEWER if awaits else role])
            token = open_session(session, person, lifetime=timedelta(hours=1), awaits_code=awaits)
            session.commit()
        self.client.cookies[SESSION_COOKIE] = token

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever happens to the database and to the browser's cookies meanwhile has not happened after."""
        cookies = dict(self.client.cookies)
        with self.connection.begin_nested() as point:
            yield
            point.rollback()
        self.client.cookies.clear()
        self.client.cookies.update(cookies)

    def count_audit_entries(self) -> int:
        return self.connection.scalar(text("SELECT count(*) FROM audit_entry")) or 0

    def status(self, address: str, *, without: str = "", empty: str = "") -> int:
        path, _, query = address.partition("?")
        kept = [one for one in query.split("&") if one and one.partition("=")[0] not in (without, empty)]
        asked = "&".join([*kept, *([f"{empty}="] if empty else [])])
        return self.client.get(f"{path}?{asked}", headers=NAVIGATION).status_code


@pytest.fixture(scope="module")
def site(new_database) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="cyborg-pages-"))
    engine, prolific = create_engine(new_database()), LocalProlific()
    with (
        pytest.MonkeyPatch.context() as patch,
        engine.connect() as connection,
        serving(prolific) as address,
    ):
        settings = Settings(
            data_dir=folder / "data",
            enrolments_per_minute=10_000,
            prolific_url=address,
            alert_webhook_url=SecretStr("http://127.0.0.1:1/alerts"),
            alert_webhook_secret=SecretStr("secret"),
            _env_file=None,
        )
        for module, size in PAGES.items():
            patch.setattr(module, size, 2)
        patch.setattr(second_factor, "_spend_code", lambda _factor, code, _secret: code == "code")
        sessions = sessionmaker(
            connection.begin().connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        )
        site = Site(create_app(settings, session_factory=sessions), connection, everything=None)
        blobs = BlobStore(settings.blobs_url)
        with (
            sessions() as db,
            TestClient(site, base_url="http://127.0.0.1:8000", follow_redirects=False) as client,
        ):
            factories.SESSION_HOLDER["session"] = db
            site.everything = Everything(db, sessions, blobs, client, folder, PASSWORD, prolific, settings)
            site.everything.make()
            yield site
            factories.SESSION_HOLDER.clear()
    engine.dispose()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def visits(site) -> dict[Role | str, Crawler]:
    """The whole site as each role finds it, and who has none."""
    return {role: visit(site, role) for role in (*Role, NOBODY)}


def visit(site: Site, role: Role | str) -> Crawler:
    site.log_in(role)
    typed = {"email": site.everything.staff[Role.EDITOR].email} if role == NOBODY else {}
    typed["lines"] = site.everything.bonus_line
    previews = site.everything.previews if isinstance(role, Role) and role.may_edit else ()
    crawler = Crawler(site.client, TYPED | typed, CHOSEN, thorough=role == Role.ADMIN)
    crawler.read(
        "/",
        "/login",
        "/login/code",
        site.everything.link,
        *previews,
        *(f"/s/faces{state}" for state in ("", "-draft", "-paused", "-closed")),
    )
    for one in crawler.forms():
        with site.undone():
            before = site.count_audit_entries()
            crawler.send(one)
            if site.count_audit_entries() > before:
                site.audited.add(site.sent_to)
    return crawler
