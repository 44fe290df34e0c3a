"""Links into a study: whom each lets in, and the record of who has which."""

import csv
import io

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli import app
from app.cli import links as _registers  # noqa: F401
from app.errors import BadInput
from app.models import AuditEntry, LinkKind, Participant, ParticipantState, StudyLink, WorkerIdentity
from app.recruitment import links
from app.recruitment.links import LinkState
from app.recruitment.service import find_by_id
from app.security import link_secret, study_link_token
from tests.app.trials.test_concurrency import at_once
from tests.support.factories import SESSION_HOLDER
from tests.support.worlds import Visitor, make_study

PAGE = "/staff/studies/faces/links"


@pytest.fixture
def study(db):
    return make_study(db, slug="faces", pairs=6, judgements=9)


@pytest.fixture
def browser(client, study):
    return lambda: Visitor(client, study.slug)


@pytest.fixture
def link(db, study):
    """Makes a link and returns it with its token."""

    def make(kind: LinkKind = LinkKind.SINGLE_USE, label: str = "S001") -> tuple[StudyLink, str]:
        (made,) = links.make_links(db, study, kind, [label], by=None)
        db.commit()
        return made, study_link_token(link_secret(db), made.key)

    return make


def state_of(db, study, label="S001") -> LinkState:
    db.expire_all()
    return next(one.state for one in links.records(db, study) if one.link.label == label)


class TestSingleUseLink:
    def test_it_lets_one_browser_in(self, browser, link):
        _, token = link()
        assert browser().consent(link_token=token, assignment_id="own-key-1").status_code == 201
        refused = browser().consent(link_token=token, assignment_id="own-key-2")
        assert (refused.status_code, refused.json()["error"]) == (409, "begun_elsewhere")
        assert refused.json()["detail"] == links.LINK_USED

    def test_a_browser_without_a_key_does_not_get_in_either(self, browser, link):
        _, token = link()
        browser().consent(link_token=token, assignment_id="own-key-1")
        assert browser().consent(link_token=token).status_code == 409

    def test_the_same_browser_goes_on(self, browser, link):
        _, token = link()
        first = browser()
        first.consent(link_token=token, assignment_id="own-key-1")
        again = browser()
        assert again.consent(link_token=token, assignment_id="own-key-1").status_code == 200
        assert again.participant == first.participant

    def test_a_browser_that_has_the_visits_token_goes_on(self, browser, link):
        _, token = link()
        visitor = browser()
        visitor.consent(link_token=token, assignment_id="own-key-1")
        assert visitor.consent(link_token=token, assignment_id="a-new-key").status_code == 200

    def test_of_browsers_at_once_one_wins(self, own_database, application):
        settings, sessions = own_database
        with sessions() as session:
            SESSION_HOLDER["session"] = session
            study = make_study(session, slug="faces", pairs=6, judgements=9)
            (made,) = links.make_links(session, study, LinkKind.SINGLE_USE, ["S001"], by=None)
            token = study_link_token(link_secret(session), made.key)
            session.commit()
        with TestClient(application(settings, sessions)) as client:
            statuses = at_once(
                lambda number: (
                    Visitor(client, "faces")
                    .consent(link_token=token, assignment_id=f"own-key-{number}")
                    .status_code
                ),
                8,
            )
        assert sorted(statuses) == [201, *[409] * 7]
        with sessions() as session:
            assert session.query(Participant).count() == 1

    def test_staff_let_its_owner_in_elsewhere_by_its_label(self, db, browser, link, study):
        _, token = link()
        first = browser()
        first.consent(link_token=token, assignment_id="own-key-1")
        assert str(find_by_id(db, study, "s001").id) == first.participant


class TestPersonalLink:
    def test_it_lets_its_person_in_from_every_browser(self, browser, link):
        _, token = link(LinkKind.PERSONAL)
        first, second = browser(), browser()
        first.consent(link_token=token, assignment_id="own-key-1")
        assert second.consent(link_token=token, assignment_id="own-key-2").status_code == 200
        assert first.participant == second.participant


class TestReusableLink:
    def test_it_lets_everybody_in_with_a_visit_of_their_own(self, db, browser, link, study):
        _, token = link(LinkKind.REUSABLE, "Class A")
        people = [browser(), browser()]
        for visitor in people:
            page = visitor.page(f"?via={token}")
            assert visitor.consent(link_token=page["link_token"], via=page["via"]).status_code == 201
        assert len({visitor.participant for visitor in people}) == 2
        (record,) = links.records(db, study)
        assert (record.came, record.finished, record.state) == (2, 0, LinkState.STARTED)

    def test_it_is_nobodys_own(self, client, browser, link):
        _, token = link(LinkKind.REUSABLE)
        assert client.get(f"/s/faces?link={token}").status_code == 422
        assert browser().consent(link_token=token).status_code == 422

    @pytest.mark.parametrize("via", ["made-up", "null"])
    def test_one_that_is_none_of_ours_lets_nobody_in(self, client, browser, study, via):
        assert client.get(f"/s/faces?via={via}").status_code == 422
        assert browser().consent(via=via).status_code == 422


class TestWithdrawnLink:
    def test_it_lets_nobody_new_in_and_says_so_before_consent(self, db, client, browser, link):
        made, token = link()
        links.withdraw_link(made)
        db.commit()
        assert links.WITHDRAWN in client.get(f"/s/faces?link={token}", headers={"accept": "text/html"}).text
        assert browser().consent(link_token=token).json()["detail"] == links.WITHDRAWN

    def test_who_has_begun_goes_on(self, db, browser, link):
        made, token = link()
        visitor = browser()
        visitor.consent(link_token=token, assignment_id="own-key-1")
        links.withdraw_link(made)
        db.commit()
        assert browser().page(f"?link={token}")["state"] == "open"
        assert browser().consent(link_token=token, assignment_id="own-key-1").status_code == 200
        assert visitor.next().status_code == 200


class TestLinksOnly:
    @pytest.fixture
    def study(self, db):
        study = make_study(db, slug="faces", pairs=6, judgements=9)
        study.visit = {**study.visit, "links_only": True}
        db.commit()
        return study

    def test_a_plain_address_lets_nobody_in(self, client, browser, study):
        assert links.NEEDED in client.get("/s/faces", headers={"accept": "text/html"}).text
        token = Visitor(client, "faces").page()
        assert token == {}

    def test_a_token_that_no_link_has_lets_nobody_in(self, browser, db, study):
        from app.security import new_link_token

        answer = browser().consent(link_token=new_link_token(link_secret(db)))
        assert (answer.status_code, answer.json()["detail"]) == (422, links.NEEDED)

    def test_links_and_platforms_do(self, browser, link):
        _, token = link()
        assert browser().consent(link_token=token).status_code == 201
        ids = {"external_id": "5f0a000000000000000000b1", "assignment_id": "6500000000000000000000c1"}
        assert browser().consent(source="prolific", **ids).status_code == 201


class TestRecord:
    def test_a_link_is_unused_started_finished(self, db, browser, link, study):
        _, token = link()
        assert state_of(db, study) is LinkState.UNUSED
        visitor = browser()
        visitor.consent(link_token=token)
        assert state_of(db, study) is LinkState.STARTED
        visitor.finish()
        assert state_of(db, study) is LinkState.FINISHED

    def test_a_link_whose_owner_left_is_withdrawn(self, db, browser, link, study):
        _, token = link()
        visitor = browser()
        visitor.consent(link_token=token)
        visitor.withdraw()
        assert state_of(db, study) is LinkState.WITHDRAWN

    def test_who_is_screened_out_shows(self, db, browser, link, study):
        _, token = link()
        visitor = browser()
        visitor.consent(link_token=token)
        person = db.get_one(Participant, visitor.participant)
        person.state = ParticipantState.SCREENED_OUT
        db.commit()
        assert state_of(db, study) is LinkState.SCREENED_OUT

    @pytest.mark.parametrize("label", ["ada@lab.example", "x" * 101, "a\x07b"])
    def test_a_label_is_a_short_code_and_no_address(self, db, study, label):
        with pytest.raises(BadInput):
            links.make_links(db, study, LinkKind.PERSONAL, ["fine", label], by=None)

    @pytest.mark.parametrize("labels", [["S001", "S001"], ["S002", "S001"]])
    def test_a_label_stands_for_one_link(self, db, study, link, labels):
        link()
        with pytest.raises(BadInput, match="S001"):
            links.make_links(db, study, LinkKind.PERSONAL, labels, by=None)

    def test_numbered_labels_go_on_after_the_highest(self, db, study, link):
        link(label="7")
        assert links.numbered(db, study, 2) == ["8", "9"]

    def test_no_table_holds_a_token(self, db, link):
        made, token = link()
        assert token.partition(".")[0] not in (made.identity, str(made.key))

    def test_a_token_belongs_to_the_visit_that_it_began(self, db, browser, link):
        made, token = link()
        visitor = browser()
        visitor.consent(link_token=token)
        assert db.get_one(WorkerIdentity, visitor.participant).link_id == made.id


class TestPage:
    def test_links_are_made_shown_and_withdrawn(self, db, editor, study):
        assert editor.post(PAGE, data={"kind": "personal", "labels": "S001\r\nS002\r\n"}).status_code == 303
        shown = editor.get(PAGE).text
        made = db.scalars(select(StudyLink).order_by(StudyLink.id)).all()
        assert [link.label for link in made] == ["S001", "S002"]
        assert study_link_token(link_secret(db), made[0].key) in shown
        assert editor.post(f"{PAGE}/{made[0].id}/withdraw").status_code == 303
        assert study_link_token(link_secret(db), made[0].key) not in editor.get(PAGE).text
        assert "1 withdrawn" in editor.get("/staff/studies/faces/recruit").text

    def test_a_number_of_links_is_numbered(self, db, editor, study):
        editor.post(PAGE, data={"count": "3"})
        assert db.scalars(select(StudyLink.label).order_by(StudyLink.id)).all() == ["1", "2", "3"]

    @pytest.mark.parametrize("wrong", [{}, {"labels": "a\na"}, {"labels": "a@b.example"}])
    def test_what_cannot_be_made_is_refused(self, db, editor, study, wrong):
        assert editor.post(PAGE, data=wrong).status_code == 422
        assert db.query(StudyLink).count() == 0

    def test_the_table_for_a_mail_merge_has_no_formulas(self, db, editor, study, link):
        _, token = link(label="=cmd|x")
        (line,) = csv.DictReader(io.StringIO(editor.get(f"{PAGE}.csv").text))
        assert line["label"] == "'=cmd|x"
        assert line["link"].endswith(f"/s/faces?link={token}")
        assert (line["kind"], line["state"]) == ("single_use", "unused")

    def test_the_audit_log_says_who_made_and_withdrew_links(self, db, editor, study):
        editor.post(PAGE, data={"labels": "S001"})
        made = db.scalars(select(StudyLink)).one()
        editor.post(f"{PAGE}/{made.id}/withdraw")
        actions = db.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert actions[-2:] == ["study.link.create", "study.link.withdraw"]


class TestApi:
    def test_links_are_made_listed_and_withdrawn(self, editor, study):
        made = editor.post("/api/studies/faces/links", json={"kind": "personal", "count": 2})
        assert made.status_code == 201
        first, second = made.json()["links"]
        assert (first["label"], second["label"], first["state"]) == ("1", "2", "unused")
        withdrawn = editor.post(f"/api/studies/faces/links/{first['id']}/withdraw").json()
        assert withdrawn["state"] == "withdrawn"
        assert len(editor.get("/api/studies/faces/links").json()["links"]) == 2


class TestCommands:
    @pytest.fixture
    def cyborg(self, own_database, monkeypatch):
        settings, sessions = own_database
        with sessions() as session:
            SESSION_HOLDER["session"] = session
            make_study(session, slug="faces", pairs=6, judgements=9)
            session.commit()
        monkeypatch.setenv("CYBORG_DATABASE_URL", str(settings.database_url))
        monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
        return lambda *arguments: CliRunner().invoke(app, ["links", *arguments])

    def test_links_are_made_listed_and_withdrawn(self, cyborg, tmp_path):
        names = tmp_path / "class.txt"
        names.write_text("S001\nS002\n")
        lines = list(csv.DictReader(io.StringIO(cyborg("make", "faces", "--labels", str(names)).output)))
        assert [line["label"] for line in lines] == ["S001", "S002"]
        assert len({line["link"] for line in lines}) == 2
        assert "S001" in cyborg("withdraw", "faces", "S001").output
        assert cyborg("csv", "faces").output.count("withdrawn") == 1
        assert "single_use" in cyborg("list", "faces").output

    def test_a_number_or_labels_is_said(self, cyborg):
        assert isinstance(cyborg("make", "faces").exception, BadInput)
        assert isinstance(cyborg("make", "faces", "2", "--kind", "other").exception, BadInput)
