"""API tokens: what they may, when they end, and where they are refused."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.accounts.token_service import create_token
from app.errors import BadInput
from app.models import ApiToken, AuditEntry, Channel, Role, Staff, StudyState, TokenScope
from tests.support.factories import StaffFactory
from tests.support.worlds import make_study

DAY = timedelta(days=1)


class TestAToken:
    def test_it_reads(self, client, token):
        assert client.get("/api/me", headers=bearer(token())).json()["role"] == "editor"

    def test_it_is_not_stored(self, db, token):
        assert db.scalars(select(ApiToken.token_hash)).all() == []
        made = token()
        assert db.scalars(select(ApiToken.token_hash)).one() not in made

    @pytest.mark.parametrize("change", ["expires_at", "revoked_at"])
    def test_one_that_has_ended_is_refused(self, client, db, token, change):
        made = token()
        db.execute(update(ApiToken).values({change: datetime.now(UTC) - DAY}))
        db.commit()
        assert client.get("/api/me", headers=bearer(made)).status_code == 401

    def test_it_ends_with_its_owner(self, client, db, token):
        made = token()
        db.execute(update(Staff).values(disabled_at=datetime.now(UTC)))
        db.commit()
        assert client.get("/api/me", headers=bearer(made)).status_code == 401

    def test_without_a_scope_it_changes_nothing(self, client, token, study):
        refused = client.post(f"/api/studies/{study.slug}/pause", headers=bearer(token()))
        assert (refused.status_code, refused.json()["error"]) == (403, "not_allowed")

    def test_with_the_scope_edit_it_does_what_editors_do(self, client, token, study):
        paused = client.post(f"/api/studies/{study.slug}/pause", headers=bearer(token(TokenScope.EDIT)))
        assert paused.json()["state"] == "paused"

    def test_it_loses_what_the_new_role_of_its_owner_has_not(self, client, db, token, study):
        made = token(TokenScope.EDIT)
        db.execute(update(Staff).values(role=Role.VIEWER))
        db.commit()
        assert client.post(f"/api/studies/{study.slug}/pause", headers=bearer(made)).status_code == 403

    def test_what_it_changes_is_in_the_audit_log_under_its_name(self, client, db, token, study):
        client.post(f"/api/studies/{study.slug}/pause", headers=bearer(token(TokenScope.EDIT)))
        entry = db.scalars(select(AuditEntry).where(AuditEntry.channel == Channel.TOKEN)).one()
        assert (entry.through, entry.action) == ("script", "study.pause")

    def test_its_last_use_is_known(self, client, db, token):
        client.get("/api/me", headers=bearer(token()))
        assert db.scalars(select(ApiToken.last_used_at)).one() is not None

    @pytest.mark.parametrize(
        "path", ["/staff/account", "/staff/account/tokens", "/staff/people", "/staff/audit"]
    )
    def test_accounts_and_the_audit_log_are_closed_to_it(self, client, token, path):
        assert client.get(path, headers=bearer(token(TokenScope.EDIT, role=Role.ADMIN))).status_code == 403

    def test_in_an_address_it_is_none(self, client, token):
        made = token()
        assert client.get(f"/api/me?token={made}&access_token={made}").status_code == 401

    def test_a_wrong_one_is_refused_beside_a_good_cookie(self, client, log_in):
        log_in(Role.ADMIN)
        assert client.get("/api/me").status_code == 200
        assert client.get("/api/me", headers=bearer("cyborg_nonsense")).status_code == 401


class TestMaking:
    @pytest.mark.parametrize("scope", [TokenScope.EDIT, TokenScope.PAYMENTS])
    def test_a_viewer_gives_no_scope(self, db, scope):
        with pytest.raises(BadInput, match="cannot give"):
            create_token(db, StaffFactory(role=Role.VIEWER), name="x", scopes=[scope], lifetime=DAY)

    @pytest.mark.parametrize(("name", "days"), [(" ", 1), ("x" * 61, 1), ("x", 0), ("x", 367)])
    def test_it_needs_a_name_and_an_end(self, db, name, days):
        with pytest.raises(BadInput):
            create_token(db, StaffFactory(), name=name, scopes=[], lifetime=timedelta(days=days))


class TestPages:
    def test_a_new_token_is_shown_once(self, client, log_in):
        log_in(Role.EDITOR)
        client.post("/staff/account/tokens", data={"name": "script", "days": "7", "scopes": "edit"})
        assert ["cyborg_" in client.get("/staff/account/tokens").text for _ in range(2)] == [True, False]

    def test_nobody_revokes_another_persons_but_an_admin(self, client, db, log_in, token):
        token()
        number = db.scalars(select(ApiToken.id)).one()
        log_in(Role.EDITOR)
        assert client.post(f"/staff/account/tokens/{number}/revoke").status_code == 404
        log_in(Role.ADMIN)
        assert client.post(f"/staff/account/tokens/{number}/revoke").status_code == 303


def bearer(token):
    return {"authorization": f"Bearer {token}", "accept": "application/json"}


@pytest.fixture
def token(db):
    def make(*scopes, role=Role.EDITOR):
        made = create_token(db, StaffFactory(role=role), name="script", scopes=scopes, lifetime=DAY)
        db.commit()
        return made

    return make


@pytest.fixture
def study(db):
    return make_study(db, state=StudyState.OPEN)
