import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from sqlalchemy import literal, select
from sqlalchemy.exc import DBAPIError

from annotation_ui import STATIC
from app.errors import WrongState
from app.main import create_app
from app.middleware import same_origin

CROWD = 20  # more than work at once


class TestBodyLimit:
    @pytest.fixture
    def too_much(self, settings):
        return b"x" * (settings.max_body_bytes + 1)

    def test_an_announced_body_is_refused(self, client, too_much):
        response = client.post("/api/studies/x/participants", content=too_much)
        assert (response.status_code, response.json()["error"]) == (413, "too_large")

    def test_a_body_that_hides_its_length_is_refused_too(self, client, too_much):
        chunks = (too_much[start : start + 65_536] for start in range(0, len(too_much), 65_536))
        headers = {"content-type": "application/json"}
        response = client.post("/api/studies/x/participants", content=chunks, headers=headers)
        assert (response.status_code, response.json()["error"]) == (413, "too_large")


class TestSlowSenders:
    def test_half_a_request_keeps_nobody_out(self, settings, session_factory):
        application = create_app(settings, session_factory=session_factory)

        async def half() -> object:
            await asyncio.sleep(0)
            return parts.pop() if parts else await asyncio.Future()

        async def ignore(_message: object) -> None: ...

        parts = [{"type": "http.request", "body": b"{", "more_body": True} for _ in range(CROWD)]
        request = httpx2.Request("POST", "http://127.0.0.1:8000/api/studies/x/participants")
        scope = {
            "type": "http",
            "method": request.method,
            "path": request.url.path,
            "headers": [(b"content-type", b"application/json")],
            "query_string": b"",
        }

        async def answer() -> int:
            senders = [asyncio.create_task(application(dict(scope), half, ignore)) for _ in range(CROWD)]
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
                await asyncio.sleep(0.1)
                response = await asyncio.wait_for(client.get("/s/nowhere"), timeout=20)
            for sender in senders:
                sender.cancel()
            return response.status_code

        # A thread of its own: the browser tests keep an event loop running in this one.
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(asyncio.run, answer()).result() == 404


class TestWhatTheDatabaseCannotHold:
    @pytest.mark.parametrize("path", ["/s/a%00b", "/i/a%00b"])
    def test_an_address_with_a_nul_is_refused(self, client, path):
        response = client.get(path)
        assert (response.status_code, response.json()["error"]) == (422, "not_storable")

    @pytest.mark.parametrize("number", [2**63, 10**30])
    def test_a_number_past_the_largest_id_is_refused(self, editor, number):
        assert editor.get(f"/staff/images/{number}").status_code == 422

    def test_an_error_does_not_tell_what_was_looked_up(self, own_database):
        _, sessions = own_database
        with sessions() as session, pytest.raises(DBAPIError) as raised:
            session.execute(select(literal("AWORKERID\0")))
        assert "AWORKERID" not in str(raised.value)


class TestErrors:
    def test_a_program_gets_json_and_a_person_a_page(self, client):
        for_program = client.get("/s/nowhere")
        for_person = client.get("/s/nowhere", headers={"accept": "text/html"})
        assert for_program.json()["error"] == "not_found"
        assert "There is no study called" in for_person.text

    def test_a_wrong_field_is_named_in_one_sentence(self, client):
        response = client.post("/api/studies/x/participants", json={"consent": True})
        assert response.status_code == 422
        assert response.json()["detail"].startswith("source: ")

    def test_a_bug_gives_a_reference_and_no_traceback(self, settings, session_factory):
        application = create_app(settings, session_factory=session_factory)
        broken = APIRouter()
        broken.add_api_route("/api/broken", lambda: 1 // 0)
        application.include_router(broken)
        with TestClient(application) as client:
            response = client.get("/api/broken")
        assert response.status_code == 500
        assert response.headers["x-request-id"] in response.json()["detail"]
        assert "Zero" not in response.text

    def test_the_names_of_errors_never_change(self):
        assert (WrongState.code(), WrongState.status) == ("wrong_state", 409)


class TestHeaders:
    def test_scripts_come_from_here_alone(self, client):
        for path in ("/login", "/s/nowhere", "/api/participant/next"):
            policy = client.get(path).headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "default-src 'none'" in policy

    def test_only_the_named_sites_may_frame_a_participants_page(self, client, settings):
        policy = client.get("/s/nowhere").headers["content-security-policy"]
        assert f"frame-ancestors {settings.frame_ancestors}" in policy

    def test_nobody_may_frame_a_staff_page(self, client):
        assert "frame-ancestors 'none'" in client.get("/login").headers["content-security-policy"]

    def test_answers_are_not_kept(self, client):
        assert client.get("/api/participant/next").headers["cache-control"] == "no-store"

    def test_browsers_are_told_to_keep_to_https_where_it_is_spoken(self, settings, session_factory):
        for url, told in (("https://lab.example", "max-age=15552000"), ("http://lab.example", None)):
            application = create_app(
                settings.model_copy(update={"public_url": url}), session_factory=session_factory
            )
            with TestClient(application) as client:
                assert client.get("/login").headers.get("strict-transport-security") == told


class TestCompression:
    def test_scripts_and_styles_are_compressed(self, client):
        assert client.get("/static/style.css").headers["content-encoding"] == "gzip"

    def test_what_a_participant_asks_for_alone_is_not(self, client):
        for path in ("/i/nonsense", "/api/participant/next", "/api/openapi.json"):
            assert "content-encoding" not in client.get(path).headers


class TestScripts:
    def test_are_sent_as_they_stand_in_the_repository(self, client):
        sent = client.get("/static/pages/visit.js")
        assert sent.headers["content-type"].startswith("text/javascript")
        assert sent.content == (STATIC / "pages" / "visit.js").read_bytes()

    def test_are_kept_and_asked_about_each_time(self, client):
        assert client.get("/static/pages/visit.js").headers["cache-control"] == "no-cache"

    def test_are_asked_about_and_not_sent_again(self, client):
        tag = client.get("/static/pages/visit.js").headers["etag"]
        assert client.get("/static/pages/visit.js", headers={"If-None-Match": tag}).status_code == 304


class TestAnotherSite:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"sec-fetch-site": "same-origin"}, 401),
            ({"sec-fetch-site": "same-site"}, 403),
            ({"sec-fetch-site": "cross-site"}, 403),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "http://["}, 403),
            ({"origin": "http://127.0.0.1:8000"}, 401),
            ({}, 401),
        ],
    )
    def test_it_cannot_send_for_a_participant(self, client, headers, status):
        assert client.post("/api/participant/withdraw", headers=headers).status_code == status

    def test_a_header_of_a_proxy_may_be_in_latin_1(self):
        assert same_origin({"type": "http", "headers": [(b"x-proxy", "Zürich".encode("latin-1"))]})


class TestOpenApi:
    def test_it_documents_the_participant_api(self, client):
        paths = client.get("/api/openapi.json").json()["paths"]
        assert {
            "/api/studies/{slug}/participants",
            "/api/participant/next",
            "/api/trials/{trial_id}/decision",
            "/api/participant/withdraw",
        } <= set(paths)

    def test_nothing_in_it_names_the_answer(self, client):
        schemas = json.dumps(client.get("/api/openapi.json").json()["components"]["schemas"]["TrialView"])
        assert "label" not in schemas
        assert "real_image" not in schemas
