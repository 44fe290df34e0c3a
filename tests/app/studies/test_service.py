from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.errors import AlreadyExists, BadStudy, NotFound, WrongState
from app.models import (
    Arm,
    Image,
    Label,
    Pair,
    ParticipantState,
    Question,
    Quota,
    Source,
    Split,
    Study,
    StudyState,
    TrialKind,
    TrialState,
)
from app.studies import service
from app.studies.padding import served_bytes
from app.studies.progress import list_studies, progress
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from tests.support.factories import (
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    QuotaFactory,
    StaffFactory,
    StudyFactory,
    TrialFactory,
)

pytestmark = pytest.mark.usefixtures("noise")


class TestCreate:
    def test_the_study_is_a_draft_that_says_what_the_description_says(self, db, spec):
        author = StaffFactory()
        study = create_study(db, spec(lease_minutes=5, consent="I agree."), staff_id=author.id)
        assert (study.state, study.lease, study.consent) == (
            StudyState.DRAFT,
            timedelta(minutes=5),
            "I agree.",
        )
        assert (study.created_by, study.spec["consent"]) == (author.id, "I agree.")

    def test_every_arm_pair_and_question_wants_its_judgements(self, db, spec):
        study = create_study(db, spec(judgements=3))
        cells = select(Arm.name, Quota.question, func.count(), func.sum(Quota.wanted), func.sum(Quota.taken))
        mine = (
            cells.select_from(Quota)
            .join(Arm)
            .where(Arm.study_id == study.id)
            .group_by(Arm.name, Quota.question)
        )
        assert sorted(map(tuple, db.execute(mine))) == [
            (arm, question, 6, 18, 0) for arm in ("annotate", "control") for question in sorted(Question)
        ]

    def test_a_pair_is_one_real_and_one_fake_image(self, db, spec):
        study = create_study(db, spec())
        assert labels(db, study, Pair.real_image_id) == {Label.REAL}
        assert labels(db, study, Pair.fake_image_id) == {Label.FAKE}

    def test_both_images_of_a_pair_weigh_the_same_when_served(self, db, spec):
        db.query(Image).filter_by(source="gan").update({"display_bytes": 4097})
        study = create_study(db, spec())
        assert set(db.scalars(select(Pair.served_bytes).where(Pair.study_id == study.id))) == {3 * 4096}

    @pytest.mark.parametrize(("size", "served"), [(1, 8192), (4096, 8192), (4097, 12288), (0, 4096)])
    def test_there_is_always_room_for_padding(self, size, served):
        assert served_bytes(size, 0) == served_bytes(0, size) == served

    def test_the_consent_version_follows_the_text_alone(self, db, spec):
        first, second = create_study(db, spec(slug="a")), create_study(db, spec(slug="b"))
        other = create_study(db, spec(slug="c", consent="Something else."))
        assert first.consent_version == second.consent_version != other.consent_version

    def test_a_taken_name_is_refused(self, db, spec):
        create_study(db, spec())
        with pytest.raises(AlreadyExists, match="There is a study faces already"):
            create_study(db, spec())

    @pytest.mark.parametrize("split", [Split.VAL, Split.TEST])
    def test_images_set_aside_are_never_shown(self, db, spec, split):
        hidden = ImageFactory(label=Label.FAKE, source="gan", split=split).id
        study = create_study(db, spec(pairs={"per_source": 9, "sources": ["gan"]}))
        shown = select(Pair.fake_image_id).where(Pair.study_id == study.id)
        assert hidden not in db.scalars(shown).all()

    def test_too_few_pairs_for_one_participant_are_refused(self, db, spec):
        with pytest.raises(
            BadStudy, match=r"7 trials per participant need as many pairs, .* the study has 6"
        ):
            create_study(db, spec(trials_per_participant=7))
        assert db.scalar(select(Study).where(Study.slug == "faces")) is None

    def test_no_pairs_at_all_are_refused(self, db, spec):
        with pytest.raises(BadStudy, match="the study has 0"):
            create_study(db, spec(pairs={"listed": []}))

    @pytest.mark.parametrize(
        ("pairs", "complaint"),
        [
            ({"sources": ["dalle"]}, "no fake source 'dalle'; there are gan, generator"),
            ({"real_sources": ["nikon"]}, "no real source 'nikon'; there are camera"),
        ],
    )
    def test_an_unknown_source_is_refused_with_the_known_ones(self, db, spec, pairs, complaint):
        with pytest.raises(BadStudy, match=complaint):
            create_study(db, spec(pairs={"per_source": 6} | pairs))

    def test_faces_drawn_by_code_stay_out_unless_they_are_named(self, db, spec):
        ImageFactory(label=Label.REAL, source="drawn", generated=True)
        doodle = ImageFactory(label=Label.FAKE, source="doodle", generated=True)
        shown = select(Pair.fake_image_id).join(Study).where(Study.slug == "faces")
        create_study(db, spec(pairs={"per_source": 1}, trials_per_participant=1))
        assert doodle.id not in db.scalars(shown).all()
        named = {"per_source": 1, "sources": ["doodle"]}
        drawn = create_study(db, spec(slug="drawn", pairs=named, trials_per_participant=1))
        assert db.scalar(select(Pair.fake_image_id).where(Pair.study_id == drawn.id)) == doodle.id


class TestWithoutImages:
    def test_a_study_is_refused_with_the_remedy(self, db, spec):
        db.query(Image).update({"split": Split.TEST})
        with pytest.raises(BadStudy, match="There is no real image to pair; `cyborg images import`"):
            create_study(db, spec())


class TestListedPairs:
    def test_images_are_found_by_hash_by_name_and_by_the_last_part_of_it(self, db, create):
        real = ImageFactory(label=Label.REAL, original_name="real/a.png")
        fake = ImageFactory(label=Label.FAKE, original_name="fake/gan/a.png")
        other = ImageFactory(label=Label.FAKE)
        create(("real/a.png", "a.png"), (real.content_hash, other.content_hash))
        pairs = db.execute(
            select(Pair.real_image_id, Pair.fake_image_id).join(Study).where(Study.slug == "faces")
        )
        assert sorted(map(tuple, pairs)) == [(real.id, fake.id), (real.id, other.id)]

    def test_an_unknown_image_is_named_with_its_line(self, create):
        ImageFactory(original_name="a.png")
        with pytest.raises(BadStudy, match=r"pairs\.csv, line 2: there is no image b\.png"):
            create(("a.png", "b.png"))

    def test_an_ambiguous_name_is_refused(self, create):
        ImageFactory(label=Label.FAKE, original_name="gan/a.png")
        ImageFactory(label=Label.FAKE, original_name="flow/a.png")
        ImageFactory(original_name="r.png")
        with pytest.raises(BadStudy, match=r"line 2: 2 images are called a\.png; give the content hash"):
            create(("r.png", "a.png"))

    def test_a_whole_name_wins_over_the_last_part_of_another(self, db, create):
        ImageFactory(label=Label.FAKE, original_name="gan/a.png")
        fake = ImageFactory(label=Label.FAKE, original_name="a.png")
        ImageFactory(original_name="r.png")
        study = create(("r.png", "a.png"))
        assert db.scalar(select(Pair.fake_image_id).where(Pair.study_id == study.id)) == fake.id

    @pytest.mark.parametrize(
        ("fake", "complaint"),
        [
            ({"label": Label.REAL}, "f.png is real, but stands in the column fake"),
            ({"split": Split.TEST}, "f.png is set aside for test and is shown to nobody"),
            ({"width": 128}, "r.png has 64×64 pixels and f.png 128×64; import them again .* --size 64"),
        ],
    )
    def test_an_image_that_does_not_fit_is_refused(self, create, fake, complaint):
        ImageFactory(original_name="r.png")
        ImageFactory(**{"original_name": "f.png", "label": Label.FAKE} | fake)
        with pytest.raises(BadStudy, match=f"line 2: {complaint}"):
            create(("r.png", "f.png"))

    def test_a_pair_listed_twice_is_refused(self, create):
        ImageFactory(original_name="r.png")
        ImageFactory(original_name="f.png", label=Label.FAKE)
        with pytest.raises(BadStudy, match=r"line 3: this pair was listed before \(pairs\.csv, line 2\)"):
            create(("r.png", "f.png"), ("r.png", "f.png"))


class TestStates:
    @pytest.mark.parametrize(
        ("change", "before", "after"),
        [
            ("open_study", StudyState.DRAFT, StudyState.OPEN),
            ("open_study", StudyState.PAUSED, StudyState.OPEN),
            ("pause_study", StudyState.OPEN, StudyState.PAUSED),
            ("close_study", StudyState.OPEN, StudyState.CLOSED),
            ("close_study", StudyState.PAUSED, StudyState.CLOSED),
        ],
    )
    def test_a_study_goes_its_way(self, db, change, before, after):
        study = with_pairs(4, state=before)
        assert getattr(service, change)(db, study).state is after

    @pytest.mark.parametrize(
        ("change", "before"),
        [
            ("open_study", StudyState.OPEN),
            ("open_study", StudyState.CLOSED),
            ("pause_study", StudyState.DRAFT),
            ("pause_study", StudyState.PAUSED),
            ("pause_study", StudyState.CLOSED),
            ("close_study", StudyState.DRAFT),
            ("close_study", StudyState.CLOSED),
        ],
    )
    def test_no_other_way_is_open(self, db, change, before):
        study = with_pairs(4, state=before)
        with pytest.raises(WrongState, match=f"Study {study.slug} is {before}; only one that is"):
            getattr(service, change)(db, study)

    def test_the_first_opening_is_remembered(self, db):
        study = service.open_study(db, with_pairs(4, state=StudyState.DRAFT))
        first = study.opened_at
        service.open_study(db, service.pause_study(db, study))
        assert study.opened_at == first is not None

    def test_the_end_is_dated(self, db):
        assert service.close_study(db, with_pairs(4)).closed_at

    def test_a_study_without_enough_pairs_cannot_be_opened(self, db):
        study = with_pairs(3, state=StudyState.DRAFT)
        with pytest.raises(BadStudy, match="the study has 3"):
            service.open_study(db, study)
        assert study.state is StudyState.DRAFT

    def test_a_stale_copy_does_not_decide(self, db, session_factory):
        study = with_pairs(4, state=StudyState.DRAFT)
        with session_factory.begin() as elsewhere:
            elsewhere.get(Study, study.id).state = StudyState.CLOSED
        with pytest.raises(WrongState, match="is closed"):
            service.open_study(db, study)

    def test_an_unknown_study_is_named(self, db):
        with pytest.raises(NotFound, match=r"There is no study called .nowhere.\."):
            service.find_study(db, "nowhere")


class TestProgress:
    def test_a_new_study_wants_everything_and_has_nothing(self, db, spec):
        found = progress(db, create_study(db, spec(judgements=2)))
        assert [(arm.name, arm.wanted, arm.held, arm.decided, arm.accuracy) for arm in found.arms] == [
            ("annotate", 24, 0, 0, None),
            ("control", 24, 0, 0, None),
        ]
        assert found.participants == dict.fromkeys(ParticipantState, 0)
        assert (found.wanted, found.decided, found.simulated) == (48, 0, 0)

    def test_decisions_are_counted_in_their_arm(self, db, arm, decide):
        decide(correct=True)
        decide(correct=True)
        decide(correct=False)
        ArmFactory(study_id=arm.study_id)
        first, second = progress(db, db.get(Study, arm.study_id)).arms
        assert (first.decided, first.correct, first.accuracy) == (3, 2, pytest.approx(2 / 3))
        assert (second.decided, second.accuracy) == (0, None)

    def test_practice_and_checks_do_not_count(self, db, arm, decide):
        decide(correct=True, kind=TrialKind.PRACTICE)
        decide(correct=True, kind=TrialKind.CHECK)
        assert progress(db, db.get(Study, arm.study_id)).decided == 0

    def test_what_somebody_has_in_hand_is_held(self, db, arm):
        pair = PairFactory(study_id=arm.study_id)
        QuotaFactory(arm_id=arm.id, pair_id=pair.id, wanted=5, taken=1)
        TrialFactory(participant=ParticipantFactory(arm=arm), pair=pair)
        (found,) = progress(db, db.get(Study, arm.study_id)).arms
        assert (found.wanted, found.held, found.decided) == (5, 1, 0)

    def test_participants_are_counted_by_state_and_programs_are_told_apart(self, db, arm):
        ParticipantFactory(arm=arm)
        ParticipantFactory(arm=arm, state=ParticipantState.FINISHED)
        ParticipantFactory(arm=arm, state=ParticipantState.FINISHED, source=Source.SIMULATED)
        found = progress(db, db.get(Study, arm.study_id))
        assert found.participants == {"active": 1, "finished": 2, "screened_out": 0, "withdrawn": 0}
        assert (found.simulated, found.arms[0].participants) == (1, 3)


class TestList:
    def test_the_newest_study_comes_first_with_its_counts(self, db, spec, arm, decide):
        decide(correct=True)
        create_study(db, spec(trials_per_participant=3))
        newest, *before = list_studies(db)
        assert (newest.study.slug, newest.pairs) == ("faces", 6)
        assert (newest.progress.wanted, newest.progress.decided) == (120, 0)
        (mine,) = [line for line in before if line.study.id == arm.study_id]
        assert (mine.progress.everybody, mine.progress.decided) == (1, 1)


def labels(db, study, column) -> set[Label]:
    return set(
        db.scalars(select(Image.label).join(Pair, column == Image.id).where(Pair.study_id == study.id))
    )


def with_pairs(number: int, **options) -> Study:
    study = StudyFactory(trials_per_participant=4, **options)
    PairFactory.create_batch(number, study_id=study.id)
    return study


@pytest.fixture
def spec(db):
    """A description that three real and three fake images can carry out."""
    ImageFactory.create_batch(3, label=Label.REAL)
    ImageFactory.create_batch(3, label=Label.FAKE, source="gan")

    def describe(**options) -> StudySpec:
        pairs = {"per_source": 6, "sources": ["gan"]}
        defaults = {"slug": "faces", "title": "T", "trials_per_participant": 4, "pairs": pairs}
        return StudySpec.model_validate(defaults | options)

    return describe


@pytest.fixture
def create(db):
    def with_lines(*lines: tuple[str, str]) -> Study:
        listed = [
            {"real": real, "fake": fake, "where": f"pairs.csv, line {number}"}
            for number, (real, fake) in enumerate(lines, start=2)
        ]
        described = {"slug": "faces", "title": "T", "trials_per_participant": 1, "pairs": {"listed": listed}}
        return create_study(db, StudySpec.model_validate(described))

    return with_lines


@pytest.fixture
def arm(db) -> Arm:
    return ArmFactory()


@pytest.fixture
def decide(arm):
    """One more decision of one participant of `arm`."""
    participant = ParticipantFactory(arm=arm)

    def record(*, correct: bool, kind: TrialKind = TrialKind.MAIN) -> None:
        trial = TrialFactory(participant=participant, state=TrialState.DECIDED, kind=kind)
        DecisionFactory(trial=trial, correct=correct)

    return record
