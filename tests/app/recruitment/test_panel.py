"""People of a panel that a study maps: who they are, and where they are sent afterwards."""

import pytest

from app.errors import BadStudy
from app.models import Participant, WorkerIdentity
from app.studies.parts import PanelSpec
from app.studies.schemas import parse_study
from tests.support.worlds import Visitor, make_study

CONNECT = {
    "name": "Connect",
    "id": "participantId",
    "session": "assignmentId",
    "completion_url": "https://connect.example/project/P1/complete?who={id}&visit={session}",
    "screened_out_url": "https://connect.example/out?who={id}",
    "quota_full_url": "https://connect.example/full?who={id}",
}
SONA = {
    "name": "SONA",
    "id": "survey_code",
    "completion_url": "https://lab.sona.example/webstudy_credit.aspx?experiment_id=1&survey_code={id}",
}
ADDRESS = "?participantId=ABC123&assignmentId=D4E5&projectId=P1"


def panel_study(db, panel, **values):
    study = make_study(db, pairs=6, judgements=9, **values)
    study.visit = {**study.visit, "panel": panel}
    db.commit()
    return study


@pytest.fixture
def study(db):
    return panel_study(db, CONNECT, slug="faces")


@pytest.fixture
def come(client, study):
    """Somebody who opens the study's address and consents."""

    def by(query=ADDRESS, **more):
        visitor = Visitor(client, study.slug)
        page = visitor.page(query)
        names = ("source", "external_id", "assignment_id")
        return visitor, visitor.consent(**{name: page[name] for name in names} | more)

    return by


class TestArrival:
    def test_the_mapped_parameters_say_who_comes(self, client, study):
        page = Visitor(client, "faces").page(ADDRESS)
        names = ("source", "external_id", "assignment_id", "panel", "link_token")
        assert [page[name] for name in names] == ["panel", "ABC123", "D4E5", "Connect", None]

    def test_names_count_in_any_case(self, client, study):
        assert Visitor(client, "faces").page("?PARTICIPANTID=A1&assignmentid=B2")["external_id"] == "A1"

    @pytest.mark.parametrize(
        "query",
        [
            "?participantId=%25PARTICIPANT%25&assignmentId=B2",
            "?participantId=A1",
            "?assignmentId=B2",
            "?participantId=&assignmentId=B2",
        ],
    )
    def test_an_address_that_does_not_say_who_comes_is_refused(self, client, study, query):
        answer = client.get(f"/s/faces{query}", headers={"accept": "text/html"})
        assert answer.status_code == 422
        assert "This link lacks what Connect adds to it." in answer.text

    def test_an_address_with_two_people_is_damaged(self, client, study):
        query = "?participantId=A1&participantId=A2&assignmentId=B2"
        assert client.get(f"/s/faces{query}").status_code == 422

    def test_other_platforms_still_come(self, client, study):
        page = Visitor(client, "faces").page("?workerId=A1B2C3D4E5F6G7&assignmentId=3ASSIGNMENT")
        assert page["source"] == "mturk"
        assert Visitor(client, "faces").page()["source"] == "link"

    def test_a_study_without_a_panel_has_no_people_of_one(self, client, db):
        make_study(db, slug="plain")
        answer = Visitor(client, "plain").consent(source="panel", external_id="A1", assignment_id="B2")
        assert answer.status_code == 422


class TestVisit:
    def test_the_same_person_comes_back_with_their_session_alone(self, come):
        first, made = come()
        again, back = come()
        assert (made.status_code, back.status_code) == (201, 200)
        assert first.participant == again.participant
        _, other = come("?participantId=ABC123&assignmentId=OTHER1")
        assert other.json()["error"] == "begun_elsewhere"

    def test_who_finished_is_sent_to_the_panel_with_their_id(self, come):
        visitor, _ = come("?participantId=A%2BB/1&assignmentId=D4E5")
        visitor.finish()
        completion = visitor.next().json()["completion"]
        assert completion["redirect_url"] == (
            "https://connect.example/project/P1/complete?who=A%2BB%2F1&visit=D4E5"
        )

    def test_who_finds_no_place_is_sent_where_the_panel_wants_them(self, client, db, study):
        study.state = "paused"
        db.commit()
        page = Visitor(client, "faces").page(ADDRESS)
        assert page["ways_out"]["quota_full"]["redirect_url"] == "https://connect.example/full?who=ABC123"

    def test_ids_are_kept_apart_from_everything_else(self, db, come):
        visitor, _ = come()
        identity = db.get_one(WorkerIdentity, visitor.participant)
        assert (identity.source, identity.external_id) == ("panel", "ABC123")
        assert db.get_one(Participant, visitor.participant).source == "panel"


class TestRepeats:
    @pytest.fixture
    def later(self, client, db, study, come):
        """A later study that keeps out who took part, with a panel of its own; who tries to come."""

        def of(panel):
            other = panel_study(db, panel, slug="later")
            other.visit = {**other.visit, "exclude_studies": ["faces"]}
            db.commit()
            come()
            return Visitor(client, "later").consent(
                source="panel", external_id="ABC123", assignment_id="ANOTHER1"
            )

        return of

    def test_the_same_person_of_the_same_panel_is_kept_out(self, later):
        assert later(CONNECT).json()["error"] == "already_took_part"

    def test_the_same_number_of_another_panel_is_another_person(self, later):
        assert later(SONA).status_code == 201


class TestDescription:
    def test_a_panel_is_written_in_a_study(self):
        spec = parse_study(
            'slug = "x"\ntitle = "X"\npairs = {per_source = 1}\n[panel]\nname = "SONA"\nid = "survey_code"\n',
            {},
        )
        assert spec.panel == PanelSpec(name="SONA", id="survey_code")

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ('id = "a b"', "panel.id"),
            ('id = "a"\nsession = "A"', "two parameters"),
            ('id = "a"\ncompletion_url = "https://p.example/{pid}"', "only {id} and {session}"),
            ('id = "a"\ncompletion_url = "https://{id}.example/"', "behind the name of the site"),
            ('id = "a"\ncompletion_url = "https://p.example/{session}"', "no parameter"),
            ('id = "a"\ncompletion_url = "http://p.example/{id}"', "https://"),
        ],
    )
    def test_what_cannot_be_is_refused(self, line, complaint):
        text = f'slug = "x"\ntitle = "X"\npairs = {{per_source = 1}}\n[panel]\nname = "P"\n{line}\n'
        with pytest.raises(BadStudy) as refused:
            parse_study(text, {})
        assert complaint in str(refused.value)
