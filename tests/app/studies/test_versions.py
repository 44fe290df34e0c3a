"""Changes after the opening: numbered, with who, when and why, and nobody's visit changes under way."""

from threading import Barrier, Thread

import pytest
from sqlalchemy import select

from app.errors import BadInput, BadStudy, EditedMeanwhile, WrongState
from app.exports.service import members
from app.models import Arm, Participant, Quota, Study, StudyState
from app.studies import service
from app.studies.schemas import StudySpec
from app.studies.toml import description_of
from app.studies.versions import ChangedKey, differences, find_version, versions_of
from tests.support import factories
from tests.support.factories import StaffFactory
from tests.support.pages import read
from tests.support.worlds import Visitor, make_images

PAINTS = [{"name": "paint", "annotate": True}]


class TestAChange:
    def test_it_makes_a_version_with_who_and_why_and_what(self, db, study):
        ada = StaffFactory(name="Ada")
        change(db, study, reason="Clearer.", staff_id=ada.id, instructions="Look.\nThen choose.")
        newest, first = versions_of(db, study)
        assert (first.number, first.reason, first.differences) == (1, "Opened.", ())
        assert (newest.number, newest.reason, newest.made_by) == (2, "Clearer.", "Ada")
        assert newest.differences == (ChangedKey("instructions", (("+", "Then choose."),)),)

    def test_it_says_why(self, db, study):
        with pytest.raises(BadInput, match="say in a few words why"):
            change(db, study, reason="  ", title="Other")
        assert study.version == 1

    def test_what_is_there_already_makes_no_version(self, editor, db, study):
        change(db, study, reason="")
        assert study.version == 1
        toml = editor.get("/api/studies/faces/study.toml").text
        assert editor.post("/staff/studies/faces/edit/toml", data={"toml": toml}).status_code == 303
        assert [version.number for version in versions_of(db, study)] == [1]

    @pytest.mark.parametrize(
        ("key", "changed"),
        [
            ("slug", {"slug": "other"}),
            ("pairs", {"pairs": {"per_source": 3, "sources": ["gan"]}}),
            ("practice", {"practice": {"count": 1}}),
            ("arms", {"arms": [{"name": "paint", "annotate": False}]}),
            ("arms", {"arms": [{"name": "new", "annotate": True}, *PAINTS]}),
        ],
    )
    def test_what_judgements_are_of_stays(self, db, study, key, changed):
        with pytest.raises(BadStudy, match=f"^{key}: "):
            change(db, study, **changed)

    def test_a_closed_study_stays_as_it_is(self, db, study):
        service.close_study(db, study)
        with pytest.raises(WrongState, match="can be edited"):
            change(db, study, title="Other")

    def test_more_judgements_make_places_and_fewer_take_none_away(self, client, db, study):
        Visitor(client, "faces").consent(consent_version=study.consent_version)
        change(db, study, judgements=5)
        assert {cell.wanted for cell in places(db, study)} == {5}
        taken = {cell.pair_id for cell in places(db, study) if cell.taken}
        change(db, study, judgements=1)
        db.expire_all()
        assert {cell.wanted for cell in places(db, study)} == {1}
        assert {cell.pair_id for cell in places(db, study) if cell.taken} == taken

    def test_an_arm_is_added_with_places_of_its_own(self, db, study):
        change(db, study, arms=[*PAINTS, {"name": "look", "annotate": False}])
        cells = [cell for cell in places(db, study) if cell.arm_id == arm(db, study, "look").id]
        assert {(cell.wanted, cell.taken) for cell in cells} == {(2, 0)}
        assert len(cells) == 8

    def test_every_version_can_be_had_as_toml(self, db, study):
        change(db, study, title="Other")
        assert [find_version(db, study, number).spec["title"] for number in (1, 2)] == ["Faces", "Other"]


class TestWhoBeganInAnEarlierVersion:
    def test_they_meet_it_to_the_end(self, client, db, study):
        before, after = Visitor(client, "faces"), Visitor(client, "faces")
        before.consent(consent_version=study.consent_version)
        change(db, study, debrief="New.", annotation={"min_strokes": 3}, questions=[QUESTION])
        after.consent(consent_version=study.consent_version)
        assert before.next().json()["rule"]["min_strokes"] == 1
        assert after.next().json()["rule"]["min_strokes"] == 3
        ending = before.finish()["completion"]
        assert (ending["ending"], ending["debrief_html"]) == ("finished", "<p>Old.</p>\n")

    def test_newcomers_carry_the_new_one(self, client, db, study):
        versions = []
        for title in ("Faces", "Other"):
            if title != study.title:
                change(db, study, title=title)
            visitor = Visitor(client, "faces")
            versions.append(visitor.consent(consent_version=study.consent_version).json()["version"])
        assert versions == [1, 2]
        assert sorted(db.scalars(select(Participant.study_version))) == [1, 2]

    def test_the_page_has_the_texts_of_the_version_that_is_asked_for(self, client, db, study):
        change(db, study, title="Other", instructions="Look closely.")
        visitor = Visitor(client, "faces")
        told = {query: visitor.page(query) for query in ("", "?v=1", "?v=2", "?v=9", "?v=x")}
        assert [told[query]["title"] for query in told] == ["Other", "Faces", "Other", "Other", "Other"]
        assert [told[query]["version"] for query in told] == [2, 1, 2, 2, 2]

    def test_exports_say_which(self, client, db, blobs, study):
        first = Visitor(client, "faces")
        first.consent(consent_version=study.consent_version)
        change(db, study, title="Other")
        first.finish()
        files = {one.name: b"".join(one.chunks).decode() for one in members(db, blobs, study)}
        header, row = files["participants.csv"].splitlines()
        assert row.split(",")[header.split(",").index("study_version")] == "1"
        assert '"study_version":1' in files["annotations.jsonl"]
        assert '"reason": "Better."' in files["study.json"]


class TestTwoWhoEditAtOnce:
    def test_the_second_is_refused_and_nothing_is_lost(self, db, study):
        edition = service.edition(study)
        change(db, study, based_on=edition, title="Mine")
        with pytest.raises(EditedMeanwhile, match=r"^A command saved this study on .* nothing of yours"):
            change(db, study, based_on=edition, title="Yours")
        assert study.title == "Mine"

    def test_of_many_at_the_same_moment_one_succeeds(self, own_database, blobs):
        _settings, sessions = own_database
        with sessions() as session:
            factories.SESSION_HOLDER["session"] = session
            made = make_draft(session, blobs)
            service.open_study(session, made)
            edition = service.edition(made)
            session.commit()
        outcomes, gate = [], Barrier(4)

        def edit(number: int) -> None:
            with sessions() as session:
                study = service.find_study(session, "faces")
                gate.wait()
                try:
                    change(session, study, based_on=edition, title=f"Number {number}")
                except EditedMeanwhile:
                    outcomes.append("refused")
                else:
                    outcomes.append("saved")

        threads = [Thread(target=edit, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["refused"] * 3 + ["saved"]
        with sessions() as session:
            assert len(versions_of(session, service.find_study(session, "faces"))) == 2

    def test_the_page_keeps_what_was_typed_and_saves_over_when_asked_again(self, editor, db, study):
        form = read(editor.get("/staff/studies/faces/edit/toml"))
        toml = form.find("textarea#toml").text_content().replace('"Faces"', '"Mine"')
        sent = {"toml": toml, "reason": "Shorter.", "based_on": form.values("[name=based_on]", "value")[0]}
        change(db, study, title="Theirs")
        refused = read(answer := editor.post("/staff/studies/faces/edit/toml", data=sent))
        assert answer.status_code == 422
        assert "A command saved this study" in refused.text("[role=alert]")
        assert 'title = "Mine"' in refused.text("textarea#toml")
        sent["based_on"] = refused.values("[name=based_on]", "value")[0]
        assert editor.post("/staff/studies/faces/edit/toml", data=sent).status_code == 303
        db.refresh(study)
        assert (study.title, study.version) == ("Mine", 3)

    def test_a_draft_is_guarded_too(self, db, blobs):
        draft = make_draft(db, blobs)
        edition = service.edition(draft)
        service.revise(db, draft, describe(title="Mine"), based_on=edition)
        with pytest.raises(EditedMeanwhile):
            service.revise(db, draft, describe(title="Yours"), based_on=edition)


class TestOnThePage:
    def test_the_form_makes_a_version_and_the_design_lists_it(self, editor, db, study):
        form = read(editor.get("/staff/studies/faces/edit"))
        assert "Save as version 2" in form.text("#save")
        change(db, study, title="Other")
        page = read(editor.get("/staff/studies/faces/design"))
        assert "Version 2" in page.texts("#versions ~ details")[0]
        assert (page.text("del"), page.text("ins")) == ("− Faces", "+ Other")
        answer = editor.get("/staff/studies/faces/versions/1/study.toml")
        assert 'title = "Faces"' in answer.text
        assert "faces-v1.toml" in answer.headers["content-disposition"]


class TestOverTheApi:
    def test_an_open_study_is_changed_and_its_versions_are_listed(self, editor, db, study):
        told = editor.get("/api/studies/faces").json()
        address = f"/api/studies/faces?based_on={told['edition']}&reason=Shorter"
        changed = editor.put(address, json=told["description"] | {"title": "Other"})
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        again = editor.put(address, json=told["description"] | {"title": "More"})
        assert (again.status_code, again.json()["error"]) == (409, "edited_meanwhile")
        newest, _first = editor.get("/api/studies/faces/versions").json()
        assert newest["differences"] == [{"key": "title", "lines": ["-Faces", "+Other"]}]
        assert 'title = "Faces"' in editor.get("/api/studies/faces/versions/1/study.toml").text
        assert editor.get("/api/studies/faces/versions/3/study.toml").status_code == 404


class TestDifferences:
    def test_members_of_lists_go_by_their_names(self):
        before = {"arms": [{"name": "a", "annotate": True}], "judgements": 1}
        after = {"arms": [{"name": "a", "annotate": True}, {"name": "b", "annotate": False}], "judgements": 2}
        assert list(differences(before, after)) == [
            ChangedKey("judgements", (("-", "1"), ("+", "2"))),
            ChangedKey("arms.b.name", (("+", "b"),)),
            ChangedKey("arms.b.annotate", (("+", "false"),)),
        ]


QUESTION = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["Young", "Old"]}


def describe(**options) -> StudySpec:
    plain = {
        "slug": "faces",
        "title": "Faces",
        "trials_per_participant": 2,
        "judgements": 2,
        "instructions": "Look.",
        "debrief": "Old.",
        "arms": PAINTS,
        "pairs": {"per_source": 4, "sources": ["gan"]},
    }
    return StudySpec.model_validate(plain | options)


def make_draft(db, blobs) -> Study:
    for image in make_images(db, blobs, count=4):
        if image.label == "fake":
            image.source = "gan"
    return service.create_study(db, describe())


@pytest.fixture
def study(db, blobs):
    made = service.open_study(db, make_draft(db, blobs))
    db.commit()
    assert made.state is StudyState.OPEN
    return made


def change(db, study, *, reason="Better.", based_on=None, staff_id=None, **options) -> None:
    said = description_of(db, study) | options
    service.revise(
        db, study, StudySpec.model_validate(said), reason=reason, based_on=based_on, staff_id=staff_id
    )
    db.commit()


def places(db, study):
    db.flush()
    return db.scalars(select(Quota).join(Arm).where(Arm.study_id == study.id)).all()


def arm(db, study, name):
    return db.scalars(select(Arm).where(Arm.study_id == study.id, Arm.name == name)).one()
