from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from accuracy.statistics.proportions import Proportion
from app.dashboard.studies import queries
from app.dashboard.studies.charts import bars, step_in_words
from app.models import (
    Label,
    Participant,
    Question,
    ReturnLink,
    Role,
    Source,
    TrialKind,
    TrialState,
    WorkerIdentity,
)
from app.overview.steps import in_steps, step_for
from app.studies.progress import progress
from app.studies.tallies import cells
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    QuotaFactory,
    StudyFactory,
    TrialFactory,
)
from tests.support.pages import Page, read

PAGES = ("", "/participants", "/export")
T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)
LINK = "#flash-copies"  # what staff can copy after a form was sent


class TestBars:
    def test_a_gap_is_a_bar_of_no_height(self):
        hour = timedelta(hours=1)
        assert [bar.count for bar in bars([(T0, 2), (T0 + 2 * hour, 4)], hour)] == [2, 0, 4]

    def test_the_highest_fills_the_box_and_all_share_its_width(self):
        drawn = bars([(T0, 2), (T0 + timedelta(hours=1), 4)], timedelta(hours=1))
        assert [(bar.x, bar.width, bar.height) for bar in drawn] == [(0, 50, 50), (50, 50, 100)]

    def test_nothing_gives_no_bars(self):
        assert bars([], timedelta(hours=1)) == []

    def test_counts_fall_into_whole_steps(self):
        hour, day = timedelta(hours=1), timedelta(days=1)
        times = {T0: 1, T0 + hour / 2: 2, T0 + 25 * hour: 1, T0 + 26 * hour: -1, T0 + 30 * day: 4}
        counts = [(int(at.timestamp()), number) for at, number in times.items()]
        midnight = T0.replace(hour=0)
        assert in_steps(counts) == ([(midnight, 3), (midnight + 30 * day, 4)], day)

    def test_a_month_is_drawn_by_days(self):
        assert step_in_words(step_for(T0, T0 + timedelta(days=30))) == "1 d"


class TestAccuracy:
    def test_it_is_counted_by_arm_generator_and_question(self, db, study, decide):
        decide(correct=True, source="gan")
        decide(correct=False, source="gan")
        decide(correct=True, source="diffusion", question=Question.FAKE)
        found = queries.accuracy(cells(db, study.id), "people")
        assert found.by_source == {"diffusion": Proportion(1, 1), "gan": Proportion(1, 2)}
        assert list(found.by_arm.values()) == [Proportion(2, 3)]
        assert found.by_question == {"fake": Proportion(1, 1), "real": Proportion(1, 2)}

    def test_programs_and_people_are_never_mixed(self, db, study, decide):
        decide(correct=True)
        decide(correct=False, participant_source=Source.SIMULATED)
        for who, counted in (("people", Proportion(1, 1)), ("simulated", Proportion(0, 1))):
            assert list(queries.accuracy(cells(db, study.id), who).by_arm.values()) == [counted]

    @pytest.mark.parametrize("kind", [TrialKind.PRACTICE, TrialKind.CHECK])
    def test_only_main_trials_count(self, db, study, decide, kind):
        decide(kind=kind)
        assert queries.accuracy(cells(db, study.id), "people").by_arm == {}


class TestProgress:
    """Every page says the same: what is decided, and beside it what somebody has in hand."""

    @pytest.mark.parametrize("path", ["/staff", "/staff/studies", "/staff/studies/{}"])
    def test_what_is_only_held_is_not_counted_as_decided(self, editor, study, arm, decide, path):
        decide()
        QuotaFactory(arm_id=arm.id, pair_id=PairFactory(study_id=study.id).id, wanted=3, taken=2)
        TrialFactory(participant=ParticipantFactory(arm=arm), pair=PairFactory(study_id=study.id))
        page = read(editor.get(path.format(study.slug)))
        assert page.has('progress[value="1"][max="3"]')
        assert any("1 held" in said for said in page.texts(".stat__label, progress + .muted"))

    def test_open_studies_come_first(self, db, study):
        closed = StudyFactory(state="closed")
        ids = [line.study.id for line in queries.open_ones_first(db)]
        assert ids.index(study.id) < ids.index(closed.id)

    def test_who_left_is_not_at_work(self, db, study, arm):
        ParticipantFactory(arm=arm)
        ParticipantFactory(arm=arm, lease_expires_at=datetime.now(UTC) - timedelta(minutes=1))
        found = progress(db, study)
        assert (found.working, found.away, found.people, found.simulated) == (1, 1, 2, 0)


class TestPages:
    @pytest.mark.parametrize("path", ["/staff", "/staff/studies", "/staff/images", "/staff/experiments"])
    def test_a_stranger_is_sent_to_the_login(self, client, path):
        answer = client.get(path, headers={"accept": "text/html"})
        assert answer.headers["location"] == f"/login?next={path}"

    @pytest.mark.parametrize("path", ["/staff", "/staff/studies", "/staff/images"])
    def test_an_empty_platform_says_what_to_do(self, editor, path):
        assert editor.get(path).status_code == 200

    @pytest.mark.parametrize("path", PAGES)
    def test_an_empty_study_has_all_its_pages(self, editor, study, path):
        assert editor.get(f"/staff/studies/{study.slug}{path}").status_code == 200

    @pytest.mark.parametrize("path", PAGES)
    def test_an_unknown_study_is_not_found(self, editor, path):
        assert editor.get(f"/staff/studies/nope{path}").status_code == 404

    def test_simulated_figures_are_labelled(self, editor, study, decide):
        decide(participant_source=Source.SIMULATED)
        page = read(editor.get(f"/staff/studies/{study.slug}"))
        assert page.text(".notice--simulated .notice__title") == "Simulated participants"

    def test_figures_of_people_are_not(self, editor, study, decide):
        decide()
        assert not read(editor.get(f"/staff/studies/{study.slug}")).has(".notice--simulated")

    def test_what_staff_wrote_is_text(self, editor):
        study = StudyFactory(title="<script>alert(1)</script>", consent="<img src=x onerror=alert(1)>")
        page = read(editor.get(f"/staff/studies/{study.slug}"))
        assert page.text("h1") == "<script>alert(1)</script>"
        assert "<img src=x onerror=alert(1)>" in page.text("details")
        assert not page.has("[onerror]")


class TestParticipants:
    def test_nobody_is_left_out(self, editor, study, arm):
        ids = {str(ParticipantFactory(arm=arm).id) for _ in range(60)}
        first = read(editor.get(f"/staff/studies/{study.slug}/participants"))
        second = read(editor.get(next_page(first)))
        assert sorted([*listed(first), *listed(second)]) == sorted(ids)

    def test_filters_narrow_the_list(self, editor, study, arm):
        other = ArmFactory(study_id=study.id)
        here, _ = ParticipantFactory(arm=arm), ParticipantFactory(arm=other)
        filters = f"arm={arm.name}&state=active&source="
        assert listed(read(editor.get(f"/staff/studies/{study.slug}/participants?{filters}"))) == [
            str(here.id)
        ]

    def test_a_made_up_place_in_the_list_is_refused(self, editor, study):
        answer = editor.get(f"/staff/studies/{study.slug}/participants?after=elsewhere")
        assert answer.status_code == 422

    def test_what_they_did_is_counted(self, editor, study, decide):
        decide(correct=True, decision_ms=2500)
        cells = read(editor.get(f"/staff/studies/{study.slug}/participants")).texts("tbody td.table__number")
        assert cells[:2] == ["1 of 1", "2.5 s"]

    def test_a_completion_code_finds_its_owner(self, editor, study, arm):
        owner, _ = ParticipantFactory(arm=arm, completion_code="ABCDE-23456"), ParticipantFactory(arm=arm)
        page = read(editor.get(f"/staff/studies/{study.slug}/participants?code=abcde-23456 "))
        assert listed(page) == [str(owner.id)]

    def test_worker_ids_are_nowhere(self, editor, db, study, decide):
        decide()
        participant = db.scalars(select(Participant).where(Participant.study_id == study.id)).one()
        db.add(
            WorkerIdentity(
                participant_id=participant.id, study_id=study.id, source="link", external_id="A1WORKER"
            )
        )
        db.commit()
        address = f"/staff/studies/{study.slug}/participants"
        assert "A1WORKER" not in editor.get(address).text + editor.get(f"{address}/{participant.id}").text

    def test_a_worker_id_finds_its_owner_and_is_in_no_address(self, editor, db, study, arm):
        owner, _ = ParticipantFactory(arm=arm), ParticipantFactory(arm=arm)
        known = {"source": "mturk", "external_id": "A1WORKER"}
        db.add(WorkerIdentity(participant_id=owner.id, study_id=study.id, **known))
        db.commit()
        address = f"/staff/studies/{study.slug}/participants"
        assert read(editor.get(address)).has("form[method=post] input[name=who]")
        found = editor.post(address, data={"who": " a1worker"})
        assert (found.status_code, found.headers["location"]) == (303, f"{address}/{owner.id}")
        for nobody in ({"who": "A2"}, {"who": ""}, {}):
            page = read(editor.post(address, data=nobody, follow_redirects=True))
            assert page.text(".notice[role] p + p").startswith("Nobody in")


class TestLettingSomebodyBackIn:
    def test_the_link_is_shown_once(self, editor, db, study, decide):
        decide()
        address = address_of(editor, study)
        [link] = read(editor.post(f"{address}/return-link", follow_redirects=True)).values(LINK, "value")
        assert link.startswith(f"http://127.0.0.1:8000/s/{study.slug}#r=")
        assert not read(editor.get(address)).has(LINK)
        assert db.scalar(select(func.count()).select_from(ReturnLink)) == 1

    def test_a_viewer_lets_nobody_in(self, log_in, study, decide):
        viewer = log_in(Role.VIEWER)
        decide()
        address = address_of(viewer, study)
        assert viewer.post(f"{address}/return-link").status_code == 403
        assert not read(viewer.get(address)).has("form[action$=return-link]")
        assert viewer.post(f"/staff/studies/{study.slug}/participants", data={"who": "x"}).status_code == 403

    def test_whoever_withdrew_is_not_let_in(self, editor, db, study, decide):
        decide()
        address = address_of(editor, study)
        assert read(editor.get(address)).has("form[action$=return-link]")
        editor.post(f"{address}/withdraw")
        assert editor.post(f"{address}/return-link").status_code == 409
        assert not read(editor.get(address)).has("form[action$=return-link]")


class TestParticipant:
    def test_every_trial_is_listed(self, editor, study, decide):
        decide(source="diffusion", decision_ms=4321)
        [row] = read(editor.get(address_of(editor, study))).texts("[aria-label=Trials] tbody tr")
        assert "diffusion" in row
        assert "4.3 s" in row

    def test_another_study_does_not_have_them(self, editor, decide):
        decide()
        assert editor.get(f"/staff/studies/{StudyFactory().slug}/participants/{uuid4()}").status_code == 404

    def test_their_work_is_removed_at_their_wish(self, editor, db, study, decide):
        decide()
        address = address_of(editor, study)
        assert editor.post(f"{address}/withdraw").status_code == 303
        assert read(editor.get(address)).text(".notice--warn .notice__title") == "Withdrawn"
        assert cells(db, study.id) == []

    def test_removing_twice_is_refused(self, editor, study, decide):
        decide()
        address = address_of(editor, study)
        assert [editor.post(f"{address}/withdraw").status_code for _ in range(2)] == [303, 409]

    def test_a_viewer_removes_nobody(self, log_in, study, decide):
        viewer = log_in(Role.VIEWER)
        decide()
        address = address_of(viewer, study)
        assert viewer.post(f"{address}/withdraw").status_code == 403
        assert not read(viewer.get(address)).has("form[action$=withdraw]")


class TestImages:
    def test_a_filter_shows_its_own_only(self, editor, db):
        mine = ImageFactory(label=Label.FAKE, source="gan")
        ImageFactory(label=Label.FAKE, source="diffusion")
        page = read(editor.get("/staff/images?label=fake&source=gan"))
        assert page.values(".gallery a", "href") == [f"/staff/images/{mine.id}"]

    def test_a_second_page_goes_on_where_the_first_ended(self, editor, db):
        ids = [ImageFactory(source="camera").id for _ in range(61)]
        first = read(editor.get("/staff/images?source=camera"))
        second = read(editor.get(next_page(first)))
        shown = [*first.values(".gallery a", "href"), *second.values(".gallery a", "href")]
        assert len(set(shown)) == len(shown)
        assert {f"/staff/images/{image_id}" for image_id in ids} <= set(shown)

    def test_one_image_names_the_studies_that_show_it(self, editor, study):
        pair = PairFactory(study_id=study.id)
        page = read(editor.get(f"/staff/images/{pair.fake_image_id}"))
        assert page.values("[aria-label='Studies with this image'] a", "href") == [
            f"/staff/studies/{study.slug}"
        ]


def address_of(browser, study):
    """The page of the only participant in the list."""
    prefix = f"/staff/studies/{study.slug}/participants"
    [participant] = listed(read(browser.get(prefix)))
    return f"{prefix}/{participant}"


def listed(page: Page) -> list[str]:
    """The ids of the participants in a list."""
    return page.values("td a[title]", "title")


def next_page(page: Page) -> str:
    return page.find("a[rel=next]").attrib["href"]


@pytest.fixture(autouse=True)
def unrelated(noise) -> None: ...


@pytest.fixture
def study(db):
    return StudyFactory()


@pytest.fixture
def arm(db, study):
    return ArmFactory(study_id=study.id)


@pytest.fixture
def decide(db, study, arm):
    """A participant of its own with one decided trial."""

    def make(
        *,
        source="gan",
        question=Question.REAL,
        kind=TrialKind.MAIN,
        participant_source=Source.LINK,
        **decision,
    ):
        participant = ParticipantFactory(arm=arm, source=participant_source)
        pair = PairFactory(study_id=study.id, fake_image_id=ImageFactory(label=Label.FAKE, source=source).id)
        trial = TrialFactory(
            participant=participant, pair=pair, question=question, kind=kind, state=TrialState.DECIDED
        )
        made = DecisionFactory(trial=trial, **decision)
        AnnotationFactory(decision=made)
        return made

    return make
