"""What people send reaches no log: neither ours nor PostgreSQL's, whatever is wrong with it."""

import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import logs
from app.db import to_json
from app.deps import Db
from app.errors import NotStorable
from app.main import ROUTERS, create_app
from tests.support.worlds import Visitor, make_study

SECRET = "S3CRETW0RD"

UNSTORABLE = {
    "nul": f"{SECRET}\0",
    "half a pair": f"{SECRET}\ud800",
    "the other half": f"\udc00{SECRET}",
}
STORABLE = {
    "a pair": f"{SECRET} \U0001f600",
    "the six letters": f"{SECRET} \\u0000",
}


def bodies(word: str) -> dict[tuple[str, str], object]:
    """For each call that takes something, something with a word of the participant's own in it."""
    return {
        ("POST", "/api/studies/{slug}/participants"): {
            "source": "prolific",
            "external_id": word,
            "consent": True,
            "consent_version": "v1",
            "client": {"language": word},
            "website": word,
        },
        ("POST", "/api/participant/return"): {"code": word},
        ("PUT", "/api/trials/{trial_id}/draft"): {"draft": {"note": word}},
        ("PUT", "/api/trials/{trial_id}/decision"): {
            "choice": "left",
            "decision_ms": 1.0,
            "events": [{"kind": "key", "t_ms": 1.0, "key": word[:32]}],
        },
        ("POST", "/api/participant/quiz"): {"answers": {word: 1}},
        ("POST", "/api/participant/answers"): {"answers": {"remarks": word}},
        ("POST", "/api/participant/device"): {"width": 1.0, "height": 1.0, "pointer": word},
    }


class TestParticipants:
    def test_every_call_that_takes_something_is_attacked_here(self, client):
        paths = client.get("/api/openapi.json").json()["paths"]
        taking = {
            (method.upper(), path)
            for path, calls in paths.items()
            for method, call in calls.items()
            if "requestBody" in call and "participant" in call.get("tags", [])
        }
        assert taking == set(bodies(""))

    @pytest.mark.parametrize("word", UNSTORABLE.values(), ids=UNSTORABLE)
    @pytest.mark.parametrize("call", bodies(""), ids=" ".join)
    def test_what_cannot_be_stored_is_refused_and_told_to_nobody(self, send, logged, call, word):
        response = send(call, word)
        assert (response.status_code, response.json()["error"]) == (422, "not_storable")
        assert SECRET not in logged()

    @pytest.mark.parametrize("word", STORABLE.values(), ids=STORABLE)
    @pytest.mark.parametrize("call", bodies(""), ids=" ".join)
    def test_what_can_be_stored_is_not_refused_for_its_letters(self, send, logged, call, word):
        response = send(call, word)
        assert response.status_code < 500
        assert response.json().get("error") != "not_storable"
        assert SECRET not in logged()

    @pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400"])
    def test_a_number_that_is_none_is_refused(self, visitor, number):
        content = f'{{"draft": {{"x": {number}}}}}'
        trial = visitor.next().json()["trial"]["id"]
        headers = visitor.headers | {"Content-Type": "application/json"}
        response = visitor.client.put(f"/api/trials/{trial}/draft", content=content, headers=headers)
        assert (response.status_code, response.json()["error"]) == (422, "not_storable")


class TestStaffForms:
    def test_none_fails_or_tells_what_is_in_it(self, editor, db, logged):
        study = make_study(db)
        forms = list(form_routes(ROUTERS))
        assert len(forms) > 20
        for route in forms:
            path = route.path.replace("{slug}", study.slug)
            for word in UNSTORABLE.values():
                sent = dict.fromkeys(fields(route), word.encode("utf-8", "replace"))
                response = editor.post(filled(path), data=sent)
                assert response.status_code < 500, (route.path, response.text)
        assert SECRET not in logged()

    @pytest.mark.parametrize("query", ["source=S3CRETW0RD%00", "after=%00", "label=%00"])
    def test_no_filter_breaks_a_download(self, editor, db, query):
        study = make_study(db)
        for file in ("list.csv", "list.zip"):
            response = editor.get(f"/staff/studies/{study.slug}/maps/{file}?{query}")
            assert response.status_code == 422


class TestOurOwnMistakes:
    """The last line: an error that got past every check."""

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT CAST(:word AS json)",
            "SELECT CAST(:word AS int)",
            "SELECT CAST(CAST(:word AS text) AS uuid)",
            "SELECT CAST(:word AS timestamptz)",
            "INSERT INTO staff (email, name, role) VALUES (:word, :word, 'no such role')",
        ],
    )
    def test_a_statement_that_fails_is_told_by_its_sqlstate(self, broken, logged, statement):
        def fail(db: Db) -> None:
            db.execute(text(statement), {"word": SECRET})

        assert broken(fail).status_code in (422, 500)
        told = logged()
        assert SECRET not in told
        assert '"sqlstate": "2' in told

    @pytest.mark.parametrize("error", [ValueError, KeyError, NotImplementedError])
    def test_a_bug_is_told_without_the_values_that_it_quotes(self, broken, logged, error):
        def fail() -> None:
            try:
                int(SECRET)
            except ValueError as cause:
                raise error(f"a{1}message") from cause

        assert broken(fail).status_code == 500
        told = logged()
        assert SECRET not in told
        assert error.__name__ in told
        assert "in fail" in told
        assert ("a1message" in told) is (error is NotImplementedError)

    def test_a_route_is_told_and_not_the_token_in_its_address(self, broken, logged):
        def fail(word: str) -> None:
            raise RuntimeError

        assert broken(fail, path="/broken/{word}").status_code == 500
        told = logged()
        assert SECRET not in told
        assert '"route": "/broken/{word}"' in told

    def test_a_task_that_nobody_awaited_is_told_in_its_first_line(self, logged):
        logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: {SECRET}")
        told = logged()
        assert "never retrieved" in told
        assert SECRET not in told


class TestJson:
    @pytest.mark.parametrize("value", [*UNSTORABLE.values(), float("nan"), float("inf"), {"\0": 1}])
    def test_what_postgresql_refuses_never_gets_there(self, value):
        with pytest.raises(NotStorable):
            to_json([value])

    @pytest.mark.parametrize("value", STORABLE.values())
    def test_what_it_takes_comes_back(self, db, value):
        assert db.scalar(text("SELECT CAST(:json AS jsonb)"), {"json": to_json([value])}) == [value]


class TestTheServersLog:
    def test_it_holds_no_statement_that_failed(self, db, server_log):
        with pytest.raises(DBAPIError), db.begin_nested():
            db.execute(text(f"SELECT '{SECRET}'::int"))
        assert SECRET not in server_log()


@pytest.fixture
def visitor(client, db) -> Visitor:
    visitor = Visitor(client, make_study(db).slug)
    visitor.consent()
    return visitor


@pytest.fixture
def send(visitor) -> Callable:
    """One call of the participant's, with a word in it."""

    def go(call: tuple[str, str], word: str):
        method, path = call
        trial = visitor.next().json()["trial"]["id"]
        content = json.dumps(bodies(word)[call])  # escapes what is not ASCII, half a pair too
        headers = visitor.headers | {"Content-Type": "application/json"}
        address = path.replace("{slug}", visitor.study).replace("{trial_id}", trial)
        return visitor.client.request(method, address, content=content, headers=headers)

    return go


@pytest.fixture
def broken(settings, session_factory) -> Callable:
    """Serves one faulty function and asks for it."""
    application = create_app(settings, session_factory=session_factory)

    def ask(function: Callable, path: str = "/api/broken"):
        application.add_api_route(path, function)
        with TestClient(application) as client:
            return client.get(path.replace("{word}", SECRET))

    return ask


@pytest.fixture
def logged(server_log) -> Iterator[Callable[[], str]]:
    """What our own log and the server's say since the test began."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: stream.getvalue() + server_log()
    root.removeHandler(handler)


@pytest.fixture
def server_log(server_dir) -> Callable[[], str]:
    path = server_dir / "postgres-server" / "log"
    before = path.stat().st_size

    def read() -> str:
        with path.open("rb") as log:
            log.seek(before)
            return log.read().decode()

    return read


def form_routes(routers: Iterable[APIRouter]) -> Iterator[APIRoute]:
    """What the forms of staff pages send to."""
    for router in routers:
        for route in router.routes:
            if router := getattr(route, "original_router", None):
                yield from form_routes([router])
            elif isinstance(route, APIRoute) and "POST" in route.methods and "/api/" not in route.path:
                yield route


def fields(route: APIRoute) -> Iterator[str]:
    """The names of a form's fields."""
    for parameter in route.dependant.body_params:
        kind = parameter.field_info.annotation
        is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
        yield from kind.model_fields if is_model else [parameter.alias]


def filled(path: str) -> str:
    """An address with a word wherever it has room for one; most name nothing that exists."""
    return "/".join(SECRET if part.startswith("{") else part for part in path.split("/"))
