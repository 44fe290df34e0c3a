import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.datastructures import FormData

from app.dashboard.studies import form as study_form
from app.dashboard.studies.form import CHOSEN, CONTROLS, ROWS, key_of
from app.models import Arm, Label, Pair, RegionCheck, Role, Study, StudyState
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from tests.support.descriptions import descriptions
from tests.support.factories import ImageFactory, PairFactory, StudyFactory
from tests.support.pages import read

FORM = {
    "slug": "faces-2026",
    "title": "Which face is real?",
    "trials_per_participant": "2",
    "judgements": "3",
    "pairs.per_source": "2",
    "arms.0.name": "annotate",
    "arms.0.annotate": "true",
    "arms.1.name": "control",
    "arms.1.annotate": "false",
    "consent": "I agree.",
    "instructions": "Look.",
}
TYPED = st.text("abc XYZ 0123 äß“.?", min_size=1).map(str.strip).filter(bool)


class TestEveryKey:
    """What TOML can say, the form can say."""

    def test_it_has_a_control(self, editor):
        page = read(editor.get("/staff/studies/new"))
        shown = {key_of(name) for name in page.values("form.study-form [name]", "name")}
        # Of the sources those are offered that there are.
        assert CONTROLS - shown <= set(CHOSEN)
        assert {name for name in shown - CONTROLS if not name.startswith("planner.")} <= {"action"}

    def test_sources_are_offered_as_boxes(self, editor, faces):
        page = read(editor.get("/staff/studies/new"))
        assert set(CHOSEN) <= set(page.values("form.study-form [type=checkbox]", "name"))

    def test_each_control_is_labelled(self, editor, faces):
        page = read(editor.get("/staff/studies/new"))
        labelled = set(page.values("form.study-form label[for]", "for"))
        assert set(page.values("form.study-form :is(input, textarea, select).input", "id")) <= labelled
        assert set(page.values("form.study-form textarea", "id")) <= labelled

    @given(descriptions(texts=TYPED))
    @settings(max_examples=50, deadline=None)
    def test_a_study_filled_into_the_form_and_sent_is_the_same_study(self, spec):
        shown = study_form.filled(spec.model_dump(mode="json"))
        sent = [*shown.values.items(), *((name, one) for name, some in shown.chosen.items() for one in some)]
        again, errors = study_form.spec_of(study_form.read(FormData(sent)))
        assert errors == {}
        assert again.model_dump(mode="json") == spec.model_dump(mode="json")


class TestForm:
    def test_it_opens_with_the_texts_that_participants_would_read(self, editor):
        page = read(editor.get("/staff/studies/new"))
        assert "Taking part in this study" in page.text("textarea#consent")

    def test_it_makes_a_draft(self, editor, db, faces):
        answer = send(editor)
        assert answer.headers["location"] == "/staff/studies/faces-2026"
        study = db.scalar(select(Study).where(Study.slug == "faces-2026"))
        assert (study.state, study.judgements) == (StudyState.DRAFT, 3)

    def test_rows_without_anything_typed_do_not_count(self, editor, db, faces):
        send(
            editor,
            **{"arms.0.name": "", "arms.1.name": "looks", "arms.4.name": "paints", "arms.4.annotate": "true"},
        )
        arms = select(Arm.name, Arm.annotate).where(Arm.study_id == study_id(db)).order_by(Arm.name)
        assert db.execute(arms).all() == [("looks", False), ("paints", True)]

    def test_chosen_sources_restrict_the_draw(self, editor, db, faces):
        send(editor, **{"pairs.sources": ["gan"]})
        assert db.scalar(select(func.count()).where(Pair.study_id == study_id(db))) == 2

    def test_listed_pairs_replace_the_draw(self, editor, db, faces):
        real, fake = faces
        listed = f"real,fake\r\n{real[0]},{fake[0]}\r\n"
        send(editor, **{"pairs.listed": listed, "trials_per_participant": "1"})
        assert db.scalar(select(func.count()).where(Pair.study_id == study_id(db))) == 1

    def test_parts_that_a_study_may_lack_come_with_what_makes_them(self, editor, db, faces):
        region = {"image": faces[0][0], "prompt": "Paint the nose.", "region": "[[1, 1], [9, 1], [9, 9]]"}
        quiz = {"text": "Clear?", "options": "Yes\nNo", "answer": "1"}
        send(
            editor,
            **{f"checks.regions.0.{key}": value for key, value in region.items()},
            **{f"quiz.questions.0.{key}": value for key, value in quiz.items()},
            **{"trials_per_participant": "1", "pairs.per_source": "1", "breaks.every": "1"},
        )
        spec = db.get(Study, study_id(db)).spec
        assert (spec["quiz"]["attempts"], spec["breaks"], spec["practice"]) == (3, {"every": 1}, None)
        assert db.scalar(select(RegionCheck.region).where(RegionCheck.study_id == study_id(db))) == [
            [1, 1],
            [9, 1],
            [9, 9],
        ]

    @pytest.mark.parametrize(
        ("field", "value", "where"),
        [
            ("slug", "No Spaces", "slug"),
            ("title", "", "title"),
            ("judgements", "many", "judgements"),
            ("annotation.min_strokes", "-1", "annotation.min_strokes"),
            ("annotation.min_area", "0.9", "annotation.min_area"),
            ("pairs.per_source", "0", "pairs.per_source"),
            ("pairs.per_source", "", "pairs.per_source"),
            ("completion_url", "ftp://x", "completion_url"),
            ("endings.closed_code", "a b", "endings.closed_code"),
            ("arms.1.name", "annotate", "arms"),
            ("arms.3.name", "No Slug", "arms.3.name"),
            ("arms.1.advice", "both", "advice.listed"),
            ("pairs.listed", "a,b\n1,2", "pairs.listed"),
            ("pairs.listed", "real,fake\nnobody,nothing", "pairs.listed"),
            ("trials_per_participant", "1000", "trials_per_participant"),
            ("exclude_studies", "nowhere", "exclude_studies"),
            ("practice.count", "100", "practice.count"),
            ("quiz.questions.1.text", "Clear?", "quiz.questions.1.options"),
            ("questions.0.id", "Age", "questions.0.id"),
            ("checks.pairs.0.real", "nobody", "checks.pairs.0.fake"),
            ("checks.regions.2.region", "a corner", "checks.regions.2.region"),
        ],
    )
    def test_a_mistake_is_told_beside_its_field_and_makes_nothing(
        self, editor, db, faces, field, value, where
    ):
        answer = send(editor, **{field: value})
        assert answer.status_code == 422
        assert read(answer).text(f'[id="{where}-error"].field__error')
        assert db.scalar(select(func.count()).select_from(Study).where(Study.slug == "faces-2026")) == 0

    def test_a_check_that_cannot_be_is_told_beside_its_row(self, editor, faces):
        answer = send(editor, **{"checks.pairs.0.real": "nobody", "checks.pairs.0.fake": faces[1][0]})
        assert "nobody" in read(answer).text('[id="checks.pairs.0.real-error"]')

    def test_what_was_typed_is_kept(self, editor, faces):
        typed = {"slug": "No Spaces", "consent": "My own <b>consent</b>", "pairs.sources": ["gan"]}
        page = read(send(editor, **typed))
        assert page.text("textarea#consent") == "My own <b>consent</b>"
        assert page.values("input[name='pairs.sources'][checked]", "value") == ["gan"]

    def test_a_name_that_is_taken_is_told_and_changes_nothing(self, editor, db, faces):
        StudyFactory(slug="faces-2026", title="The first")
        answer = send(editor)
        assert read(answer).text("#slug-error")
        assert db.scalars(select(Study.title).where(Study.slug == "faces-2026")).all() == ["The first"]

    @pytest.mark.parametrize("listed", ROWS)
    def test_without_scripts_a_button_brings_one_row_more_and_saves_nothing(self, editor, db, listed):
        page = read(send(editor, action=f"add:{listed}"))
        assert len(page.values(f"[data-rows='{listed}'] fieldset", "class")) == (3 if listed == "arms" else 2)
        assert db.scalar(select(Study).where(Study.slug == "faces-2026")) is None


class TestTotals:
    def test_they_are_what_the_numbers_come_to(self, editor, faces):
        totals = self.shown(editor, **{"pairs.sources": ["gan"]})
        # 2 pairs × 2 questions × 3 judgements in 2 arms, 2 of them a participant.
        assert totals.texts("[data-totals-here] dd")[:3] == ["12", "24", "2"]
        assert "percentage points" in totals.text("[data-totals-here]")

    def test_a_name_is_not_needed(self, editor, faces):
        assert self.shown(editor, slug="", title="").texts("[data-totals-here] dd")

    def test_the_smallest_difference_follows_what_is_assumed(self, editor, faces):
        differences = [
            self.difference(editor, **{f"planner.{name}": value})
            for name, value in [("pair_sd", "0.15"), ("participant_sd", "0.3"), ("mean", "0.9")]
        ]
        assert differences[2] < differences[0] < differences[1]

    def test_what_cannot_be_assumed_is_told_and_the_default_stands_in(self, editor, faces):
        page = self.shown(editor, **{"planner.mean": "most"})
        assert "a number between 0 and 1" in page.text("[id='planner.mean-error']")
        assert "percentage points" in page.text("[data-totals-here]")

    def difference(self, editor, **assumed):
        return float(self.shown(editor, **assumed).text("[data-totals-here] p .number"))

    def test_without_numbers_there_are_none(self, editor, faces):
        assert "complete" in self.shown(editor, judgements="many").text("[data-totals-here]")

    def shown(self, editor, **changes):
        """The page that the button brings; scripts take the totals of it."""
        return read(send(editor, action="totals", **changes))


class TestEdit:
    def test_a_draft_is_shown_and_becomes_what_is_sent(self, editor, db, draft):
        page = read(editor.get("/staff/studies/faces-2026/edit"))
        assert page.values("#judgements", "value") == ["7"]
        answer = editor.post("/staff/studies/faces-2026/edit", data=FORM | {"judgements": "4"})
        assert answer.headers["location"] == "/staff/studies/faces-2026/design"
        db.refresh(draft)
        assert draft.judgements == 4

    def test_a_study_that_was_closed_is_not_edited(self, editor, db, draft):
        draft.state = StudyState.CLOSED
        db.commit()
        assert editor.get("/staff/studies/faces-2026/edit").status_code == 409
        assert editor.post("/staff/studies/faces-2026/edit", data=FORM).status_code == 409

    def test_a_duplicate_begins_with_the_description_under_a_free_name(self, editor, draft):
        StudyFactory(slug="faces-2026-2")
        page = read(editor.get("/staff/studies/new?like=faces-2026"))
        assert page.values("#slug", "value") == ["faces-2026-3"]
        assert page.values("#judgements", "value") == ["7"]

    @pytest.fixture
    def draft(self, db, faces):
        spec = {"slug": "faces-2026", "title": "T", "judgements": 7, "trials_per_participant": 1}
        study = create_study(db, StudySpec.model_validate(spec | {"pairs": {"per_source": 1}}))
        db.commit()
        return study


class TestState:
    def test_a_study_is_opened_paused_and_closed(self, editor, db):
        study = StudyFactory(state=StudyState.DRAFT, trials_per_participant=1)
        PairFactory(study_id=study.id)
        for word, state in [("open", "open"), ("pause", "paused"), ("open", "open"), ("close", "closed")]:
            assert editor.post(f"/staff/studies/{study.slug}/{word}").status_code == 303
            assert db.get(Study, study.id, populate_existing=True).state == state

    def test_what_the_state_does_not_allow_is_refused(self, editor):
        study = StudyFactory(state=StudyState.CLOSED)
        assert editor.post(f"/staff/studies/{study.slug}/open").status_code == 409

    def test_only_what_the_state_allows_is_offered(self, editor):
        study = f"/staff/studies/{StudyFactory(state=StudyState.PAUSED).slug}"
        forms = read(editor.get(study)).values("form:has([name=asks])", "action")
        assert forms == [f"{study}/open", f"{study}/close"]


class TestViewer:
    @pytest.mark.parametrize(
        "path",
        [
            "/staff/studies/new",
            "/staff/studies/{}/open",
            "/staff/studies/{}/pause",
            "/staff/studies/{}/close",
            "/staff/studies/{}/maps",
            "/staff/experiments/new",
            "/staff/experiments",
            "/staff/experiments/1/abort",
            "/staff/runs/00000000-0000-0000-0000-000000000000/abort",
            "/staff/people",
        ],
    )
    def test_whatever_changes_something_is_refused(self, viewer, path):
        assert viewer.post(path.format(StudyFactory().slug)).status_code == 403

    @pytest.mark.parametrize("path", ["/staff", "/staff/studies", "/staff/experiments"])
    def test_lists_offer_nothing_to_change(self, viewer, path):
        StudyFactory()
        assert read(viewer.get(path)).texts("button") == ["Log out"]

    @pytest.mark.parametrize("path", ["", "/maps"])
    def test_a_study_offers_nothing_to_change(self, viewer, path):
        page = read(viewer.get(f"/staff/studies/{StudyFactory().slug}{path}"))
        assert page.texts("h1")
        assert not page.has("[name=asks], form[method=post][action^='/staff']")


def send(editor, **changes):
    return editor.post("/staff/studies/new", data={**FORM, **changes})


def study_id(db):
    return db.scalar(select(Study.id).where(Study.slug == "faces-2026"))


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def viewer(log_in):
    return log_in(Role.VIEWER)


@pytest.fixture
def faces(db):
    """Names of real and of fake images, of two generators."""
    real = [ImageFactory(label=Label.REAL) for _ in range(4)]
    fake = [ImageFactory(label=Label.FAKE, source=source) for source in ("gan", "gan", "ldm", "ldm")]
    return [image.original_name for image in real], [image.original_name for image in fake]
