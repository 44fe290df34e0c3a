"""Pilots: tried out by people, and in no number of the study."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.dashboard.experiments.queries import freezable
from app.errors import WrongState
from app.experiments.datasets import check_usable
from app.exports.contents import Contents
from app.exports.service import members
from app.maps.inputs import read_inputs
from app.models import (
    Arm,
    Image,
    JobState,
    MapSet,
    Pair,
    Participant,
    Quota,
    StudyState,
    Trial,
)
from app.quality.service import flags_by_kind
from app.studies import service, tallies
from app.studies.pilots import start_pilot
from app.studies.progress import progress
from app.studies.schemas import StudySpec
from saliency.parameters import MapParameters
from tests.support.worlds import Visitor, make_images

pytestmark = pytest.mark.usefixtures("noise")

SHOWS_PILOTS = {"/staff/studies/{slug}/design"}
"""Pages of a study that list its pilots, with their counts."""

WHEN = re.compile(rb'("at":|Counted <time datetime=)"[^"]*"')
"""When somebody looked."""


class TestStartingAPilot:
    def test_it_is_open_and_its_draft_stays_a_draft(self, db, draft):
        pilot = start_pilot(db, draft)
        assert (pilot.slug, pilot.pilot_of, pilot.state) == ("faces-pilot", "faces", StudyState.OPEN)
        assert draft.state is StudyState.DRAFT

    def test_it_shows_what_the_draft_shows(self, db, draft):
        pilot = start_pilot(db, draft)
        assert shown(db, pilot) == shown(db, draft)
        assert (pilot.consent, pilot.visit) == (draft.consent, draft.visit)
        arms = [db.scalars(select(Arm.name).where(Arm.study_id == one.id)).all() for one in (pilot, draft)]
        assert arms[0] == arms[1]

    def test_it_wants_as_many_judgements_as_it_is_told(self, db, draft):
        assert {cell.wanted for cell in places(db, start_pilot(db, draft, judgements=2))} == {2}

    def test_every_pilot_has_a_name_of_its_own_that_says_what_it_is(self, db, draft):
        assert [start_pilot(db, draft).slug for _ in range(2)] == ["faces-pilot", "faces-pilot-2"]

    def test_a_study_that_was_opened_has_none(self, db, draft):
        service.open_study(db, draft)
        with pytest.raises(WrongState, match="only one that is draft can be piloted"):
            start_pilot(db, draft)

    def test_a_pilot_keeps_to_its_draft_when_that_gets_another_name(self, db, draft):
        pilot = start_pilot(db, draft)
        service.revise(db, draft, describe(slug="other"))
        db.refresh(pilot)
        assert pilot.pilot_of == "other"

    def test_a_study_with_a_pilot_is_not_deleted(self, db, draft):
        start_pilot(db, draft)
        with pytest.raises(WrongState, match="faces-pilot"):
            service.delete_draft(db, draft)


class TestAPilotVisit:
    def test_it_changes_nothing_that_anybody_reads_of_the_study(self, client, db, blobs, viewer, draft):
        pilot = open_pilot(db, draft)
        before = everything_read(viewer, db, blobs, draft)
        took_part(client, db, pilot)
        after = everything_read(viewer, db, blobs, draft)
        differs = [name for name in before if before[name] != after[name]]
        assert not differs, " ".join(differs)
        assert len(before) > 40

    def test_the_same_reading_sees_a_visit_to_the_study_itself(self, client, db, blobs, viewer, draft):
        service.open_study(db, draft)
        db.commit()
        before = everything_read(viewer, db, blobs, draft)
        took_part(client, db, draft)
        after = everything_read(viewer, db, blobs, draft)
        changed = {name for name in before if before[name] != after[name]}
        assert {"places", "counts", "maps", "decisions.csv", "/staff/studies"} <= changed

    def test_every_row_of_its_export_says_pilot(self, client, db, blobs, draft):
        pilot = open_pilot(db, draft)
        took_part(client, db, pilot)
        files = {name: text.decode(errors="ignore") for name, text in exported(db, blobs, pilot).items()}
        assert '"pilot_of": "faces"' in files["study.json"]
        assert "a pilot of faces" in files["README.md"]
        assert "(pilot)" in files["CITATION.cff"]
        header, *rows = files["decisions.csv"].splitlines()
        assert {row.split(",")[header.split(",").index("pilot")] for row in rows} == {"true"}
        assert all('"pilot":true' in line for line in files["annotations.jsonl"].splitlines())

    def test_its_pages_say_so(self, client, db, viewer, draft):
        pilot = open_pilot(db, draft)
        for tab in ("", "/participants", "/maps", "/analysis", "/export"):
            assert "A pilot" in viewer.get(f"/staff/studies/{pilot.slug}{tab}").text

    def test_no_dataset_is_made_of_it(self, db, draft):
        pilot = open_pilot(db, draft)
        map_set = MapSet(
            study_id=pilot.id,
            version=1,
            parameters={},
            inputs_hash="",
            annotations=1,
            state=JobState.SUCCEEDED,
        )
        db.add(map_set)
        db.commit()
        assert map_set.id not in [one.id for one, _ in freezable(db)]
        with pytest.raises(WrongState, match="no dataset is made of a pilot"):
            check_usable(map_set, pilot)


class TestOpeningTheStudyAfterAPilot:
    def test_it_begins_with_every_place_free_and_nobody_in_it(self, client, db, draft):
        took_part(client, db, open_pilot(db, draft))
        service.open_study(db, draft)
        assert {(cell.wanted, cell.taken) for cell in places(db, draft)} == {(3, 0)}
        assert progress(db, draft).everybody == 0

    def test_its_pilots_take_nobody_any_more(self, client, db, draft):
        pilot = open_pilot(db, draft)
        service.open_study(db, draft)
        db.refresh(pilot)
        assert pilot.state is StudyState.PAUSED
        with pytest.raises(WrongState, match="its pilots take nobody any more"):
            service.open_study(db, pilot)

    def test_who_was_in_a_pilot_cannot_take_part(self, client, db, draft):
        open_pilot(db, draft)
        person = {"source": "prolific", "external_id": "5" * 24, "consent_version": draft.consent_version}
        assert Visitor(client, "faces-pilot").consent(**person).is_success
        service.open_study(db, draft)
        db.commit()
        answer = Visitor(client, "faces").consent(**person)
        assert (answer.status_code, answer.json()["error"]) == (409, "already_took_part")


class TestOverTheApi:
    def test_pilots_are_started_and_listed_when_asked_for(self, editor, draft):
        made = editor.post("/api/studies/faces/pilots", json={"judgements": 2})
        assert (made.status_code, made.json()["pilot_of"], made.json()["state"]) == (201, "faces", "open")
        assert "faces-pilot" not in [line["slug"] for line in editor.get("/api/studies").json()]
        listed = editor.get("/api/studies?" + urlencode({"pilots": "true"})).json()
        assert [line["slug"] for line in listed] == ["faces-pilot"]


class TestOnThePage:
    def test_a_button_opens_one_and_the_design_lists_it(self, editor, draft):
        answer = editor.post("/staff/studies/faces/pilots", data={"judgements": "1"})
        assert answer.headers["location"] == "/staff/studies/faces-pilot"
        assert "faces-pilot" in editor.get("/staff/studies/faces/design").text
        assert "faces-pilot" not in editor.get("/staff/studies").text


def describe(**options) -> StudySpec:
    plain = {"slug": "faces", "title": "Faces", "trials_per_participant": 2, "judgements": 3}
    return StudySpec.model_validate(plain | {"pairs": {"per_source": 4, "sources": ["gan"]}} | options)


@pytest.fixture
def draft(db, blobs):
    for image in make_images(db, blobs, count=4):
        if image.label == "fake":
            image.source = "gan"
    study = service.create_study(db, describe())
    db.commit()
    return study


def open_pilot(db, draft):
    pilot = start_pilot(db, draft)
    db.commit()
    return pilot


def took_part(client, db, study):
    """People in both arms who finish, one who is in the middle and one who withdraws; all choose rightly."""
    people = [Visitor(client, study.slug) for _ in range(5)]
    for person in people:
        assert person.consent(consent_version=study.consent_version).is_success
    for person in people[:3]:
        while "trial" in (answer := person.next().json()):
            decide_rightly(db, person, answer["trial"]["id"])
    decide_rightly(db, people[3], people[3].next().json()["trial"]["id"])
    people[4].withdraw()
    db.commit()
    db.expire_all()
    assert db.scalar(select(func.count(Trial.id)).join(Participant).where(Participant.study_id == study.id))


def decide_rightly(db, person, trial_id):
    """Maps are made of right decisions: were sides left to chance, there might be none."""
    trial = db.get_one(Trial, UUID(trial_id))
    left = db.get_one(Image, trial.left_image_id)
    choice = "left" if left.label.value == trial.question.value else "right"
    assert person.decide(trial_id, choice=choice).status_code == 200


def shown(db, study):
    columns = select(Pair.real_image_id, Pair.fake_image_id, Pair.kind, Pair.served_bytes)
    return db.execute(columns.where(Pair.study_id == study.id).order_by(Pair.id)).all()


def places(db, study):
    return db.scalars(select(Quota).join(Arm).where(Arm.study_id == study.id)).all()


def exported(db, blobs, study) -> dict[str, bytes]:
    made = members(db, blobs, study, Contents(parquet=False, masks=False))
    return {member.name: b"".join(member.chunks) for member in made}


def everything_read(viewer, db, blobs, study) -> dict[str, object]:
    """What each page and answer about the study says, and what maps, analyses and exports begin with."""
    db.expire_all()
    read: dict[str, object] = {
        "places": sorted((one.arm_id, one.pair_id, one.question, one.taken) for one in places(db, study)),
        "counts": tallies.counts_of(db, [study.id]),
        "changes": tallies.changes(db, study.id),
        "progress": progress(db, study),
        "flags": flags_by_kind(db, study.id),
        "maps": read_inputs(db, study.id, MapParameters()),
        "map sets": db.scalars(select(MapSet.id).where(MapSet.study_id == study.id)).all(),
    }
    read |= exported(db, blobs, study)
    for path in readable(viewer):
        answer = viewer.get(path.format(slug=study.slug))
        # A refusal carries the number of its request.
        read[path] = WHEN.sub(b"", answer.content) if answer.is_success else answer.status_code
    return read


def readable(client) -> list[str]:
    """Every address that is read, and needs no more than a study to be named."""
    plain = {path for path in gets(client.app.routes) if set(re.findall(r"{(\w+)", path)) <= {"slug"}}
    of_staff = (path for path in plain if path.startswith(("/staff", "/api/")))
    return sorted(set(of_staff) - SHOWS_PILOTS - {"/api/openapi.json"})


def gets(routes) -> Iterator[str]:
    for route in routes:
        if "GET" in (getattr(route, "methods", None) or ()):
            yield route.path
        if included := getattr(route, "original_router", None):
            yield from gets(included.routes)
