"""Who may call what: every route, with every kind of credential. A new route needs a line here."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import uuid4

import pytest
from PIL import Image as Picture
from sqlalchemy import select, text

from app.accounts.service import login_link, open_session
from app.accounts.token_service import create_token
from app.deps import SESSION_COOKIE
from app.models import ApiToken, Base, Role, TokenScope, Trial
from app.stimuli.encode import jpeg
from tests.support.factories import StaffFactory
from tests.support.pictures import pixels
from tests.support.worlds import Visitor, make_images, make_study

ANYONE = """
GET /
GET /api/openapi.json
HEAD /api/openapi.json
GET /health
HEAD /health
GET /plotly.min.js
GET /s/{slug}
GET /i/{address}
HEAD /i/{address}
GET /i/{address}/map
HEAD /i/{address}/map
POST /api/studies/{slug}/participants
POST /api/participant/return
POST /api/marketplaces/{source}/events
GET /login
POST /login
GET /login/code
POST /login/code
GET /login/link/{token}
POST /login/link/{token}
POST /logout
"""
PARTICIPANTS = """
GET /api/participant/next
PUT /api/trials/{trial_id}/draft
PUT /api/trials/{trial_id}/decision
POST /api/participant/quiz
POST /api/participant/answers
POST /api/participant/device
POST /api/participant/withdraw
"""
VIEWERS = """
GET /staff
GET /staff/images
GET /staff/images/audit
GET /staff/images/audit/state.json
GET /staff/images/{image_id:int}
GET /staff/images/{image_id}/picture
GET /staff/images/{image_id}/crop
GET /staff/studies
GET /staff/studies/{slug}
GET /staff/studies/{slug}/live
GET /api/images/picture
GET /staff/studies/{slug}/design
GET /staff/studies/{slug}/preview
GET /staff/studies/{slug}/study.toml
GET /api/studies
GET /api/studies/{slug}
GET /api/studies/{slug}/study.toml
GET /api/studies/{slug}/versions
GET /api/studies/{slug}/plan
GET /staff/studies/{slug}/plan
GET /api/studies/{slug}/versions/{version:int}/study.toml
GET /staff/studies/{slug}/versions/{version:int}/study.toml
GET /api/studies/{slug}/history
GET /api/studies/{slug}/history/{number}/study.toml
GET /staff/studies/{slug}/history/{number}/study.toml
GET /api/me
GET /api/studies/{slug}/progress
GET /api/studies/{slug}/overview
GET /api/studies/{slug}/participants
GET /api/studies/{slug}/participants/{participant_id}
GET /api/studies/{slug}/participants/{participant_id}/trials
GET /api/studies/{slug}/participants/flags
GET /api/alerts
GET /api/studies/{slug}/decisions.csv
GET /api/studies/{slug}/annotations.jsonl
GET /api/studies/{slug}/export.zip
GET /api/studies/{slug}/maps
GET /api/studies/{slug}/maps/{version}
GET /api/studies/{slug}/maps/diff
GET /api/studies/{slug}/analyses
GET /api/studies/{slug}/analyses/{version}
GET /api/studies/{slug}/listing
GET /api/studies/{slug}/listing/submissions
GET /api/images
GET /api/images/audit
GET /api/images/{image_id}
GET /api/datasets
GET /api/datasets/{dataset_id}/audit
GET /api/experiments
GET /api/experiments/{experiment_id}
GET /api/experiments/{experiment_id}/degraded
GET /api/experiments/{experiment_id}/results
GET /api/runs/{run_id}
POST /api/runs/{run_id}/scores
GET /api/tasks/{task_id}
POST /api/tasks/{task_id}/abort
GET /api/studies/{slug}/notes
GET /api/studies/{slug}/participants/{participant_id}/notes
GET /api/images/{image_id}/notes
GET /api/images/{image_id}/face
GET /staff/studies/{slug}/export
GET /staff/studies/{slug}/decisions.csv
GET /staff/studies/{slug}/annotations.jsonl
GET /staff/studies/{slug}/export.zip
GET /staff/studies/{slug}/participants
GET /staff/studies/{slug}/recruit
GET /staff/studies/{slug}/participants/{participant_id}
GET /staff/studies/{slug}/participants/{participant_id}/replay
GET /staff/studies/{slug}/exclusions
GET /api/studies/{slug}/exclusions
GET /staff/studies/{slug}/analysis
GET /staff/studies/{slug}/analysis/state.json
GET /staff/studies/{slug}/analysis/{version}/decisions.csv
GET /staff/studies/{slug}/analysis/{version}/figures/{name}.svg
GET /staff/studies/{slug}/analysis/{version}/{stem}.{suffix}
GET /staff/studies/{slug}/maps
GET /staff/studies/{slug}/maps/state.json
GET /staff/studies/{slug}/maps/{image_id:int}
GET /staff/studies/{slug}/maps/list.csv
GET /staff/studies/{slug}/maps/list.zip
GET /staff/studies/{slug}/maps/agreement
GET /staff/studies/{slug}/maps/sets
GET /staff/studies/{slug}/maps/diff
GET /staff/studies/{slug}/images/{image_id}/annotations.json
GET /staff/maps/{map_set_id}/{image_id:int}.png
GET /staff/maps/{map_set_id}/average.png
GET /staff/experiments
GET /staff/experiments/datasets/state.json
GET /staff/experiments/datasets/{dataset_id}
POST /staff/tasks/{task_id}/abort
GET /staff/experiments/{experiment_id}
GET /staff/experiments/{experiment_id}/details
GET /staff/experiments/{experiment_id}/figures.json
GET /staff/experiments/{experiment_id}/tables/{name}.csv
GET /staff/experiments/{experiment_id}/state.json
GET /staff/runs/{run_id}
GET /staff/runs/{run_id}/events
GET /staff/runs/{run_id}/model
POST /staff/runs/{run_id}/model
GET /staff/runs/{run_id}/model/state.json
GET /staff/runs/{run_id}/model/detector.zip
GET /staff/runs/{run_id}/maps/{name}.png
"""
IN_PERSON = """
GET /staff/account
POST /staff/account
GET /staff/account/tokens
POST /staff/account/tokens
POST /staff/account/tokens/{token_id}/revoke
GET /staff/account/second-factor
POST /staff/account/second-factor/begin
POST /staff/account/second-factor/confirm
POST /staff/account/second-factor/codes
POST /staff/account/second-factor/remove
"""
EDITORS = """
POST /staff/studies/{slug}/ticked-participants
POST /api/studies/{slug}/participants/bulk
POST /staff/studies/{slug}/exclusions
POST /staff/studies/{slug}/exclusions/undo
POST /api/studies/{slug}/exclusions
POST /api/studies/{slug}/exclusions/undo
POST /staff/notes/{note_id}/delete
POST /staff/studies/{slug}/notes
POST /staff/studies/{slug}/participants/{participant_id}/notes
POST /staff/images/{image_id}/notes
POST /staff/images/{image_id}/face
GET /staff/images/new
POST /staff/images/new
POST /staff/images/{image_id}/split
POST /staff/images/{image_id}/tags
POST /staff/images/tags
POST /staff/images/audit
POST /api/images/tags
POST /api/images/remove
POST /api/images/splits
POST /api/images/faces
PUT /api/images/{image_id}/tags
POST /staff/images/{image_id}/remove
DELETE /api/images/{image_id}
PUT /api/images/{image_id}/split
POST /staff/images/{image_id}/face/remove
POST /staff/images/{image_id}/face/search
GET /staff/studies/new
POST /staff/studies/new
GET /staff/studies/new/toml
POST /staff/studies/new/toml
GET /staff/studies/{slug}/edit
POST /staff/studies/{slug}/edit
GET /staff/studies/{slug}/edit/toml
POST /staff/studies/{slug}/edit/toml
POST /staff/studies/{slug}/delete
POST /api/studies
PUT /api/studies/{slug}
DELETE /api/studies/{slug}
POST /api/studies/{slug}/copies
POST /api/studies/{slug}/pilots
POST /api/studies/{slug}/history/{number}/restore
POST /staff/studies/{slug}/history/{number}/restore
POST /api/studies/{slug}/planner
POST /staff/studies/{slug}/pilots
POST /staff/studies/{slug}/plan
POST /api/studies/{slug}/open
POST /api/studies/{slug}/alerts/{delivery}/send-again
POST /api/studies/{slug}/pause
POST /api/studies/{slug}/close
POST /api/studies/{slug}/participants/{participant_id}/set-aside
POST /api/studies/{slug}/participants/{participant_id}/take-back
POST /api/studies/{slug}/participants/{participant_id}/withdraw
POST /api/studies/{slug}/maps
POST /api/studies/{slug}/maps/{version}/abort
POST /api/studies/{slug}/analyses
POST /api/studies/{slug}/analyses/{version}/abort
POST /api/images
POST /api/images/plan
POST /api/images/plan/packed
POST /api/images/audit
POST /api/experiments/{experiment_id}/abort
POST /api/runs/{run_id}/abort
POST /api/runs/{run_id}/export
POST /api/datasets
POST /api/experiments
POST /api/experiments/{experiment_id}/detectors
DELETE /api/experiments/{experiment_id}/detectors
POST /api/datasets/{dataset_id}/detectors
POST /api/studies/{slug}/notes
POST /api/studies/{slug}/participants/{participant_id}/notes
POST /api/images/{image_id}/notes
DELETE /api/notes/{note_id}
PUT /api/images/{image_id}/face
DELETE /api/images/{image_id}/face
POST /api/images/{image_id}/face/search
POST /api/studies/{slug}/participants/find
POST /api/studies/{slug}/participants/{participant_id}/check
POST /api/studies/{slug}/participants/{participant_id}/return-link
POST /staff/studies/{slug}/open
POST /staff/studies/{slug}/alerts/{delivery}/send-again
POST /staff/studies/{slug}/pause
POST /staff/studies/{slug}/close
POST /staff/studies/{slug}/participants
GET /staff/studies/{slug}/recruit/cost
POST /staff/studies/{slug}/recruit/publish
POST /staff/studies/{slug}/recruit/places
POST /staff/studies/{slug}/recruit/state
POST /staff/studies/{slug}/recruit/sync
POST /staff/studies/{slug}/recruit/approve-clean
GET /staff/studies/{slug}/recruit/review
POST /staff/studies/{slug}/recruit/approve
POST /staff/studies/{slug}/recruit/message
POST /staff/studies/{slug}/recruit/return
GET /staff/studies/{slug}/recruit/rejection
POST /staff/studies/{slug}/recruit/reject
GET /staff/studies/{slug}/recruit/screen-out
POST /staff/studies/{slug}/recruit/screen-out
POST /staff/studies/{slug}/recruit/bonuses
POST /staff/studies/{slug}/recruit/bonuses/{number}/cancel
POST /staff/studies/{slug}/recruit/bonuses/{number}/paid
POST /staff/studies/{slug}/recruit/bonuses/{number}/again
GET /staff/studies/{slug}/links
POST /staff/studies/{slug}/links
GET /staff/studies/{slug}/links.csv
POST /staff/studies/{slug}/links/{link_id}/withdraw
POST /api/studies/{slug}/listing
POST /api/studies/{slug}/listing/quote
POST /api/studies/{slug}/listing/places
POST /api/studies/{slug}/listing/sync
POST /api/studies/{slug}/listing/state
POST /api/studies/{slug}/listing/submissions/approve
POST /api/studies/{slug}/listing/submissions/message
POST /api/studies/{slug}/listing/submissions/return
POST /api/studies/{slug}/listing/submissions/reject
POST /api/studies/{slug}/listing/submissions/screen-out
GET /api/studies/{slug}/listing/bonuses
POST /api/studies/{slug}/listing/bonuses
POST /api/studies/{slug}/listing/bonuses/{number}/{answer}
GET /api/studies/{slug}/links
POST /api/studies/{slug}/links
GET /api/studies/{slug}/links.csv
POST /api/studies/{slug}/links/{link_id}/withdraw
POST /staff/studies/{slug}/participants/{participant_id}/check
POST /staff/studies/{slug}/participants/{participant_id}/set-aside
POST /staff/studies/{slug}/participants/{participant_id}/take-back
POST /staff/studies/{slug}/participants/{participant_id}/return-link
POST /staff/studies/{slug}/participants/{participant_id}/withdraw
POST /staff/studies/{slug}/analysis
POST /staff/studies/{slug}/analysis/{version:int}/abort
POST /staff/studies/{slug}/maps
POST /staff/studies/{slug}/maps/sets/{version:int}/abort
GET /staff/experiments/new
POST /staff/experiments/new
POST /staff/experiments
POST /staff/experiments/{experiment_id}/scores
POST /staff/experiments/{experiment_id}/detectors/forget
POST /staff/experiments/{experiment_id}/abort
POST /staff/runs/{run_id}/abort
POST /staff/runs/{run_id}/model/export
"""
FINANCE = [
    "GET /staff/payments.csv",
    "GET /staff/studies/{slug}/recruit/payments.csv",
    "GET /api/payments.csv",
    "GET /api/studies/{slug}/payments.csv",
    "GET /api/studies/{slug}/listing/ledger",
]
"""Payments: `method path` for each route of `app.deps.Finance`."""
ADMINS = """
GET /staff/audit
GET /staff/audit/entries.csv
POST /staff/studies/{slug}/recruit/connect
GET /staff/people
POST /staff/people
POST /staff/people/{staff_id}/link
POST /staff/people/{staff_id}/link/withdraw
POST /staff/people/{staff_id}/role
POST /staff/people/{staff_id}/second-factor/remove
POST /staff/people/{staff_id}/disable
POST /staff/people/{staff_id}/enable
"""
RULES = {
    "anyone": ANYONE.split("\n")[1:-1],
    "participants": PARTICIPANTS.split("\n")[1:-1],
    "viewers": VIEWERS.split("\n")[1:-1],
    "in person": IN_PERSON.split("\n")[1:-1],
    "editors": EDITORS.split("\n")[1:-1],
    "finance": FINANCE,
    "admins": ADMINS.split("\n")[1:-1],
}

NOBODY = ("nobody", "nonsense", "withdrawn", "lapsed", "disabled", "revoked token")
STRANGERS = (*NOBODY, "participant", "another participant")
TOKENS = ("read token", "edit token")
"""Of an editor."""
MAY = {
    "participants": ("participant",),
    "viewers": ("viewer", "finance", "editor", "admin", "edit token"),
    "in person": ("viewer", "finance", "editor", "admin"),
    "editors": ("editor", "admin", "edit token"),
    "finance": ("finance", "admin"),
    "admins": ("admin",),
}
REFUSED = {
    "participants": dict.fromkeys((*NOBODY, "viewer", "finance", "editor", "admin"), 401),
    "viewers": dict.fromkeys(STRANGERS, 401),
    "in person": dict.fromkeys(STRANGERS, 401) | dict.fromkeys(TOKENS, 403),
    "editors": dict.fromkeys(STRANGERS, 401) | dict.fromkeys(("viewer", "finance", "read token"), 403),
    "finance": dict.fromkeys(STRANGERS, 401) | dict.fromkeys(("viewer", "editor", *TOKENS), 403),
    "admins": dict.fromkeys(STRANGERS, 401) | dict.fromkeys(("viewer", "finance", "editor", *TOKENS), 403),
}

BODIES = {
    "/api/trials/{trial_id}/draft": {"draft": {"at": 1}},
    "/api/trials/{trial_id}/decision": {"choice": "left", "decision_ms": 1},
    "/api/participant/quiz": {"answers": {}},
    "/api/participant/answers": {"answers": {}},
    "/api/participant/device": {
        "width": 1,
        "height": 1,
        "pixel_ratio": 1,
        "pointer": "fine",
        "touch": False,
        "images_load": True,
        "passed": True,
    },
}


def routes(of) -> Iterator[str]:
    """Every method and path of an application, whatever router they came by."""
    for route in of:
        if included := getattr(route, "original_router", None):
            yield from routes(included.routes)
        for method in getattr(route, "methods", None) or ():
            yield f"{method} {route.path}"


class TestEveryRoute:
    def test_it_has_a_rule_and_every_rule_has_a_route(self, client):
        ruled = list(chain.from_iterable(RULES.values()))
        assert sorted(routes(client.app.routes)) == sorted(ruled)

    def test_whoever_may_not_is_refused_and_changes_nothing(self, call, credentials, contents):
        before = contents()
        expected = {
            (route, who): status
            for group, refusals in REFUSED.items()
            for route in RULES[group]
            for who, status in refusals.items()
        }
        expected["POST /api/participant/withdraw", "withdrawn"] = 200  # safe to send again
        answers = {key: call(*key).status_code for key in expected}
        assert {key: status for key, status in answers.items() if status != expected[key]} == {}
        assert contents() == before

    def test_whoever_may_is_let_in(self, call, credentials):
        answers = {
            (route, who): call(route, who).status_code
            for group, people in MAY.items()
            for route in RULES[group]
            for who in people
        }
        assert {key: status for key, status in answers.items() if status in (401, 403) or status >= 500} == {}

    def test_a_participant_reaches_nothing_of_another(self, call, credentials, contents):
        before = contents("trial", "decision", "annotation", "stroke")
        call("PUT /api/trials/{trial_id}/draft", "another participant")
        assert call("PUT /api/trials/{trial_id}/decision", "another participant").status_code == 404
        trial = call("GET /api/participant/next", "another participant").json()["trial"]["id"]
        assert trial != call("GET /api/participant/next", "participant").json()["trial"]["id"]
        assert contents("trial", "decision", "annotation", "stroke") == before

    def test_what_is_open_to_anyone_breaks_for_nobody(self, call, credentials):
        answers = {
            (route, who): call(route, who).status_code
            for route in RULES["anyone"]
            for who in ("nobody", "nonsense", "participant", "viewer")
        }
        assert {key: status for key, status in answers.items() if status >= 500} == {}


@pytest.fixture
def study(db, blobs):
    """With pictures, and somebody in it who has judged nothing yet."""
    images = make_images(db, blobs, count=8)
    for number, image in enumerate(images):
        image.display_hash = blobs.put(jpeg(Picture.fromarray(pixels(number))))
    real, fake = ([image.id for image in images if image.label == label] for label in ("real", "fake"))
    return make_study(db, images=list(zip(real, fake, strict=True)), arms=(False,))


@pytest.fixture
def visitors(client, study):
    visitors = {
        name: Visitor(client, study.slug) for name in ("participant", "another participant", "withdrawn")
    }
    for visitor in visitors.values():
        visitor.consent()
        visitor.next()
    visitors["withdrawn"].withdraw()
    return visitors


@pytest.fixture
def credentials(db, visitors):
    """Headers by who sends them."""

    def session(role, *, hours=1, **staff):
        token = open_session(db, StaffFactory(role=role, **staff), lifetime=timedelta(hours=hours))
        return {"cookie": f"{SESSION_COOKIE}={token}"}

    def token(*scopes):
        made = create_token(db, StaffFactory(), name="t", scopes=scopes, lifetime=timedelta(days=1))
        return {"authorization": f"Bearer {made}"}

    headers = {
        "nobody": {},
        "nonsense": {"authorization": "Bearer nonsense", "cookie": f"{SESSION_COOKIE}=nonsense"},
        "lapsed": session(Role.ADMIN, hours=-1),
        "disabled": session(Role.ADMIN, disabled_at=datetime.now(UTC)),
        **{role.value: session(role) for role in Role},
        **{name: visitor.headers for name, visitor in visitors.items()},
        "read token": token(),
        "edit token": token(TokenScope.EDIT),
        "revoked token": token(TokenScope.EDIT),
    }
    db.flush()
    db.scalars(select(ApiToken).order_by(ApiToken.id.desc())).first().revoked_at = datetime.now(UTC)
    db.commit()
    return headers


@pytest.fixture
def places(db, study, visitors):
    """What stands in the places of a path."""
    participant = visitors["participant"].participant
    trial = db.scalars(select(Trial).where(Trial.participant_id == participant)).first()
    picture = visitors["participant"].next().json()["trial"]["left"]["url"]
    colleague = StaffFactory()
    link = login_link(db, colleague)
    db.commit()
    return {
        "address": picture.rpartition("/")[2],
        "token": link.rpartition("/")[2],
        "slug": study.slug,
        "participant_id": participant,
        "trial_id": trial.id,
        "image_id": trial.left_image_id,
        "image_id:int": trial.left_image_id,
        "staff_id": colleague.id,
        "token_id": 1,
        "note_id": 1,
        "run_id": uuid4(),
        **dict.fromkeys(("experiment_id", "version", "version:int", "map_set_id"), 1),
        "name": "x",
        "source": "prolific",
    }


@pytest.fixture
def call(client, credentials, places):
    def send(route, who):
        method, path = route.split()
        address = path
        for name, value in places.items():
            address = address.replace(f"{{{name}}}", str(value))
        headers = {"accept": "application/json", **credentials[who]}
        body = {"json": BODIES.get(path, {})} if path.startswith("/api/") else {"data": {}}
        return client.request(method, address, headers=headers, **({} if method in ("GET", "HEAD") else body))

    return send


@pytest.fixture
def contents(db):
    """A digest of every row of some tables, or of all."""

    def digest(*names):
        tables = [table for table in Base.metadata.sorted_tables if not names or table.name in names]
        rows = {
            table.name: sorted(map(str, db.execute(text(f'SELECT x::text FROM "{table.name}" x')).scalars()))
            for table in tables
        }
        return {name: hashlib.sha256("\n".join(found).encode()).hexdigest() for name, found in rows.items()}

    return digest
