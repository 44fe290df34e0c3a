import pytest
from sqlalchemy import func, select

from app.dashboard.studies.form import DEFAULTS
from app.models import Arm, Label, Pair, Role, Study, StudyState
from tests.support.factories import ImageFactory, PairFactory, StudyFactory
from tests.support.pages import read

FORM = {
    **DEFAULTS,
    "slug": "faces-2026",
    "title": "Which face is real?",
    "trials_per_participant": "2",
    "judgements": "3",
    "per_source": "2",
    "arm_name": ["annotate", "control", "", ""],
    "arm_annotate": ["0"],
}


class TestForm:
    def test_it_opens_with_the_texts_that_participants_would_read(self, editor):
        page = read(editor.get("/staff/studies/new"))
        assert "Taking part in this study" in page.text("textarea#consent")

    def test_it_makes_a_draft(self, editor, db, faces):
        answer = send(editor)
        assert answer.headers["location"] == "/staff/studies/faces-2026"
        study = db.scalar(select(Study).where(Study.slug == "faces-2026"))
        assert (study.state, study.judgements) == (StudyState.DRAFT, 3)

    def test_ticks_belong_to_the_arm_of_their_line(self, editor, db, faces):
        send(editor, arm_name=["", "looks", "", "paints"], arm_annotate=["3"])
        arms = db.execute(
            select(Arm.name, Arm.annotate).where(Arm.study_id == study_id(db)).order_by(Arm.name)
        )
        assert arms.all() == [("looks", False), ("paints", True)]

    def test_chosen_sources_restrict_the_draw(self, editor, db, faces):
        send(editor, sources=["gan"], trials_per_participant="2", per_source="2")
        assert db.scalar(select(func.count()).where(Pair.study_id == study_id(db))) == 2

    def test_listed_pairs_replace_the_draw(self, editor, db, faces):
        real, fake = faces
        send(editor, pairs_csv=f"real,fake\r\n{real[0]},{fake[0]}\r\n", trials_per_participant="1")
        assert db.scalar(select(func.count()).where(Pair.study_id == study_id(db))) == 1

    @pytest.mark.parametrize(
        ("field", "value", "id_"),
        [
            ("slug", "No Spaces", "slug-error"),
            ("title", "", "title-error"),
            ("judgements", "many", "judgements-error"),
            ("min_strokes", "-1", "min_strokes-error"),
            ("per_source", "0", "per_source-error"),
            ("per_source", "", "per_source-error"),
            ("completion_url", "ftp://x", "completion_url-error"),
            ("arm_name", ["same", "same", "", ""], "arms-error"),
            ("arm_name", ["", "", "", ""], "arms-error"),
            ("arm_name", ["No Slug", "", "", ""], "arms-error"),
            ("pairs_csv", "a,b\n1,2", "pairs_csv-error"),
            ("trials_per_participant", "1000", "per_source-error"),
        ],
    )
    def test_a_mistake_is_told_beside_its_field_and_makes_nothing(self, editor, db, faces, field, value, id_):
        answer = send(editor, **{field: value})
        assert answer.status_code == 422
        assert read(answer).text(f"#{id_}.field__error")
        assert db.scalar(select(func.count()).select_from(Study).where(Study.slug == "faces-2026")) == 0

    def test_what_was_typed_is_kept(self, editor, faces):
        page = read(send(editor, slug="No Spaces", consent="My own <b>consent</b>", sources=["gan"]))
        assert page.text("textarea#consent") == "My own <b>consent</b>"
        assert page.values("input[name=sources][checked]", "value") == ["gan"]

    def test_a_name_that_is_taken_is_told_and_changes_nothing(self, editor, db, faces):
        StudyFactory(slug="faces-2026", title="The first")
        answer = send(editor)
        assert read(answer).text("#slug-error")
        assert db.scalars(select(Study.title).where(Study.slug == "faces-2026")).all() == ["The first"]


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
        forms = read(editor.get(study)).values("form[data-confirm]", "action")
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
        assert not page.has("[data-confirm], form[method=post][action^='/staff']")


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
