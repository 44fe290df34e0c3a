"""Map sets after the first: what is taken over, what is built anew, and what survives a killed build."""

import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from app.background import Interrupted
from app.errors import BadInput
from app.maps import assembling
from app.maps.averages import average, groups_of
from app.maps.building import build_map_set
from app.maps.diff import compare_sets
from app.maps.service import abort_map_set, request_map_set
from app.models import (
    JobState,
    Label,
    MapAverage,
    MapSet,
    Participant,
    QualityFlag,
    SaliencyMap,
    TrialKind,
)
from app.recruitment.service import withdraw
from saliency.maps.png import decode_map_png
from saliency.parameters import MapParameters
from tests.support import factories
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    ImageFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    StudyFactory,
    TrialFactory,
)

DEFAULT = MapParameters()
ELSEWHERE = [[50.0, 55.0, 0.0]]


class TestTakingOver:
    def test_a_map_whose_annotations_are_the_same_is_taken_over(self, world):
        one, two = world.image(), world.image()
        world.paint(one), world.paint(two)
        first = world.build()
        world.paint(two, points=ELSEWHERE)
        second = world.build()
        assert (first.reused, second.reused) == (0, 1)
        assert world.blob(second, one) == world.blob(first, one)
        assert world.blob(second, two) != world.blob(first, two)

    def test_what_is_taken_over_equals_what_would_be_built(self, world):
        one, two = world.image(), world.image()
        world.paint(one), world.paint(one), world.paint(two)
        world.build()
        world.paint(two)
        taken = world.rows(world.build())
        world.forget()
        built = world.build()
        assert built.reused == 0
        assert world.rows(built) == taken

    def test_other_parameters_take_nothing_over(self, world):
        world.paint(world.image())
        world.build()
        assert world.build(MapParameters(sigma_px=6)).reused == 0

    def test_a_map_whose_blob_is_gone_is_built_again(self, world, blobs, settings):
        image = world.image()
        world.paint(image, points=ELSEWHERE), world.paint(world.image())
        first = world.build()
        path = next(settings.data_dir.rglob(world.blob(first, image)))
        path.unlink()
        world.paint(world.image())
        second = world.build()
        assert second.reused == 1
        assert decode_map_png(blobs.get(world.blob(second, image))).max() == 1.0

    def test_after_a_withdrawal_only_their_images_change(self, world):
        one, two = world.image(), world.image()
        world.paint(one)
        leaves = world.paint(two, points=ELSEWHERE)
        world.paint(two)
        first = world.build()
        world.withdraw(leaves)
        world.db.refresh(first)
        assert first.stale
        second = world.build()
        assert (second.stale, second.reused) == (False, 1)
        assert second.inputs_hash != first.inputs_hash
        assert world.blob(second, two) != world.blob(first, two)

    def test_an_image_whose_annotations_all_vanish_has_no_map_any_more(self, world):
        kept, lost = world.image(), world.image()
        world.paint(kept)
        first_painted = world.paint(lost)
        first = world.build()
        world.withdraw(first_painted)
        second = world.build()
        assert world.images(second) == [kept]
        (gone,) = compare_sets(world.db, first, second).of_kind("removed")
        assert (gone.image_id, gone.annotators) == (lost, (1, 0))

    def test_a_set_is_not_stale_for_a_withdrawal_before_it_was_built(self, world):
        leaves = world.paint(world.image())
        world.paint(world.image())
        waiting = request_map_set(world.db, world.study, DEFAULT, queued=False)
        world.withdraw(leaves)
        build_map_set(world.sessions, world.blobs, waiting.id)
        world.db.refresh(waiting)
        assert (waiting.stale, waiting.annotations) == (False, 1)


class TestWhatCounts:
    @pytest.mark.parametrize("kind", [TrialKind.CHECK, TrialKind.PRACTICE])
    def test_only_main_trials(self, world, kind):
        world.paint(world.image())
        world.paint(world.image(), kind=kind)
        assert world.build().annotations == 1

    def test_arms(self, world):
        world.paint(world.image(), arm="other")
        mine = world.image()
        world.paint(mine)
        assert world.images(world.build(MapParameters(arms=("annotate",)))) == [mine]

    def test_questions(self, world):
        world.paint(world.image(), question="fake")
        mine = world.image()
        world.paint(mine, question="real")
        assert world.images(world.build(MapParameters(questions=("real",)))) == [mine]

    def test_a_time_window(self, world):
        early, late = world.image(), world.image()
        world.paint(early, decided_at=datetime(2026, 1, 1, tzinfo=UTC))
        world.paint(late, decided_at=datetime(2026, 3, 1, tzinfo=UTC))
        limit = datetime(2026, 2, 1, tzinfo=UTC)
        assert world.images(world.build(MapParameters(decided_before=limit))) == [early]
        assert world.images(world.build(MapParameters(decided_from=limit))) == [late]

    def test_the_first_annotators(self, world):
        image = world.image()
        for day in (1, 2, 3):
            world.paint(image, decided_at=datetime(2026, 1, day, tzinfo=UTC))
        built = world.build(MapParameters(first_annotators=2))
        assert (built.annotations, world.row(built, image).annotators) == (2, 2)

    @pytest.mark.parametrize("unwanted", ["any", "one_side"])
    def test_quality_flags(self, world, unwanted):
        flagged, clean = world.image(), world.image()
        world.flag(world.paint(flagged))
        world.paint(clean)
        assert world.images(world.build(MapParameters(without_flags=(unwanted,)))) == [clean]

    def test_a_flag_on_another_trial_of_the_participant_does_not_count(self, world):
        image = world.image()
        annotation = world.paint(image)
        other = TrialFactory(participant=world.participant_of(annotation), pair=PairFactory())
        world.flag(annotation, trial_id=other.id)
        assert world.images(world.build(MapParameters(without_flags=("any",)))) == [image]

    def test_a_weight_by_accuracy_is_built_anew_when_the_accuracy_changes(self, world):
        image = world.image()
        world.paint(image)
        annotation = world.paint(image)
        parameters = MapParameters(weight="accuracy")
        first, plain = world.build(parameters), world.build()
        world.mistake(annotation)
        assert world.build(parameters).inputs_hash != first.inputs_hash
        assert world.build().id == plain.id

    @pytest.mark.parametrize(
        "wrong", [{"arms": ("nobody",)}, {"questions": ("both",)}, {"without_flags": ("lazy",)}]
    )
    def test_a_name_that_does_not_exist_is_refused_and_changes_nothing(self, world, wrong):
        world.paint(world.image())
        with pytest.raises(BadInput, match="There is no"):
            request_map_set(world.db, world.study, MapParameters(**wrong))
        assert world.db.query(MapSet).count() == 0

    def test_nothing_that_counts_is_told_in_the_words_of_the_parameters(self, world):
        world.paint(world.image())
        with pytest.raises(BadInput, match="no correct annotation that these parameters count"):
            world.build(MapParameters(decided_from=datetime(2099, 1, 1, tzinfo=UTC)))


class TestWhatIsKept:
    def test_accuracy_is_that_of_the_main_decisions_on_the_pairs_of_the_image(self, world):
        image = world.image()
        annotation = world.paint(image)
        world.decide_again(annotation, correct=False)
        assert world.row(world.build(), image).accuracy == 0.5

    def test_agreement_is_summed_up(self, world):
        image = world.image()
        for _ in range(4):
            world.paint(image)
        world.paint(world.image())
        measured = world.build().reliability
        assert (measured["images"], measured["annotators"]) == (1, 4)
        assert len(measured["curve"]) == len(measured["curve_images"]) == 2
        assert measured["curve"][1] == pytest.approx(1.0)

    def test_agreement_of_single_annotators_is_nothing(self, world):
        world.paint(world.image())
        assert world.build().reliability == {"images": 0}

    def test_an_average_has_every_image_with_equal_weight(self, world):
        for label, source, count in ((Label.REAL, "camera", 1), (Label.FAKE, "a", 2), (Label.FAKE, "b", 1)):
            for _ in range(count):
                world.paint(world.image(label=label, source=source))
        built = world.build()
        groups = [(one.label, one.source, one.images) for one in groups_of(world.db, built)]
        assert groups == [("real", "camera", 1), ("fake", "a", 2), ("fake", "b", 1)]
        whole = average(world.db, world.blobs, built)
        assert whole.shape == (224, 224)
        assert (whole.min(), whole.max()) == (0.0, 1.0)

    def test_a_face_box_outside_its_image_is_averaged_whole(self, world):
        world.paint(world.image(face_x=900.0, face_y=900.0, face_width=10.0, face_height=10.0))
        assert average(world.db, world.blobs, world.build()).max() == 1.0


class TestDiff:
    def test_it_names_parameters_and_the_most_changed_first(self, world):
        little, much = world.image(), world.image()
        world.paint(little), world.paint(much)
        old = world.build()
        world.paint(little, points=[[10.5, 10.5, 0.0], [21.0, 10.5, 9.0]])
        world.paint(much, points=ELSEWHERE, radius=9.0)
        new = world.build(MapParameters(sigma_px=4))
        difference = compare_sets(world.db, old, new)
        assert difference.parameters == {"sigma_px": (5.0, 4)}
        assert [one.image_id for one in difference.of_kind("changed")] == [much, little]
        correlations = [one.correlation for one in difference.changes]
        assert correlations == sorted(correlations)

    def test_a_set_and_itself_are_the_same(self, world):
        world.paint(world.image())
        built = world.build()
        difference = compare_sets(world.db, built, built)
        assert (difference.changes, difference.parameters, difference.same) == ((), {}, 1)


class TestKilled:
    def test_a_killed_build_goes_on_where_it_was_cut_off(self, own_world, monkeypatch):
        world, settings = own_world
        for n in range(4):
            world.paint(world.image(), radius=3.0 + n)
        program = textwrap.dedent(f"""
            import os, signal
            from pathlib import Path
            from app.db import connect, factory
            from app.maps import assembling
            from app.maps.building import build_map_set
            from app.maps.service import request_map_set
            from app.models import Study
            from app.settings import Settings
            from app.storage import BlobStore
            from saliency.parameters import MapParameters
            assembling.ROWS_AT_A_TIME = 1
            data_dir, database_url = Path({str(settings.data_dir)!r}), {settings.database_url!r}
            settings = Settings(data_dir=data_dir, database_url=database_url)
            sessions = factory(connect(settings))
            with sessions.begin() as session:
                study = session.get(Study, {world.study.id})
                wanted = request_map_set(session, study, MapParameters(), queued=False).id
            die = lambda done, total: done == 3 and os.kill(os.getpid(), signal.SIGKILL)
            build_map_set(sessions, BlobStore(settings.blobs_url), wanted, on_progress=die)
        """)
        killed = subprocess.run([sys.executable, "-c", program], check=False, env=os.environ)
        assert killed.returncode == -signal.SIGKILL
        (cut_off,) = world.db.scalars(select(MapSet))
        assert (cut_off.state, len(world.images(cut_off))) == (JobState.RUNNING, 3)
        made, fresh = [], assembling._to_render
        monkeypatch.setattr(assembling, "_to_render", lambda *given: made.append(given) or fresh(*given))
        again = world.build()
        assert (again.id, again.state, again.reused) == (cut_off.id, JobState.SUCCEEDED, 0)
        assert len(made) == 1
        assert world.rows(again) == world.rows(world.built_at_once())


class TestMeanwhile:
    """What happens while maps are being made, on a database of its own."""

    @pytest.fixture(autouse=True)
    def one_by_one(self, monkeypatch):
        monkeypatch.setattr(assembling, "IMAGES_AT_A_TIME", 1)
        monkeypatch.setattr(assembling, "ROWS_AT_A_TIME", 1)

    def test_no_transaction_is_open_while_maps_are_made(self, own_world):
        world, _ = own_world
        world.paint(world.image()), world.paint(world.image())
        world.db.commit()
        open_ones = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        )
        seen = []

        def look(_done, _total):
            with world.sessions() as session:
                seen.append(session.scalar(open_ones))

        world.build(on_progress=look)
        assert seen == [0, 0]

    def test_how_far_it_is_can_be_read(self, own_world):
        world, _ = own_world
        for _ in range(3):
            world.paint(world.image())
        read = []

        def look(_done, _total):
            with world.sessions() as session:
                read.append(session.execute(select(MapSet.state, MapSet.done, MapSet.total)).one())

        world.build(on_progress=look)
        assert read == [(JobState.RUNNING, done, 3) for done in (1, 2, 3)]

    def test_who_withdraws_before_their_strokes_are_read_is_not_in_it(self, own_world):
        world, _ = own_world
        _, leaves = world.paint(world.image()), world.paint(world.image())
        world.paint(world.image())
        first_of_three = (1, 3)
        built = world.build(on_progress=lambda *at: world.leave(leaves) if at == first_of_three else None)
        assert (built.stale, built.annotations, len(world.images(built))) == (False, 2, 2)
        assert leaves.image_id not in world.images(built)
        assert world.rows(built) == world.rows(world.built_at_once())

    def test_who_withdraws_after_makes_it_stale(self, own_world):
        world, _ = own_world
        leaves = world.paint(world.image())
        world.paint(world.image())
        built = world.build(on_progress=lambda done, total: world.leave(leaves) if done == total else None)
        assert (built.state, built.stale, built.annotations) == (JobState.SUCCEEDED, True, 2)

    def test_what_is_painted_meanwhile_is_for_the_next_set(self, own_world):
        world, _ = own_world
        first = world.image()
        world.paint(first), world.paint(world.image())
        built = world.build(on_progress=lambda done, _total: done == 1 and world.paint(first))
        assert (built.annotations, world.row(built, first).annotators) == (2, 1)

    def test_an_abort_ends_it_and_leaves_nothing(self, own_world):
        world, _ = own_world
        world.paint(world.image()), world.paint(world.image())

        def abort(_done, _total):
            with world.sessions.begin() as session:
                abort_map_set(session, session.scalars(select(MapSet)).one())

        with pytest.raises(Interrupted):
            world.build(on_progress=abort)
        (aborted,) = world.db.scalars(select(MapSet).execution_options(populate_existing=True))
        assert (aborted.state, world.images(aborted)) == (JobState.ABORTED, [])


class World:
    """A study in which people paint."""

    def __init__(self, db, sessions, blobs) -> None:
        self.db, self.sessions, self.blobs = db, sessions, blobs
        self.study = StudyFactory()
        self.arms = {name: ArmFactory(study_id=self.study.id, name=name) for name in ("annotate", "other")}

    def image(self, **fields) -> int:
        return ImageFactory(**fields).id

    def paint(
        self,
        image_id,
        *,
        arm="annotate",
        kind=TrialKind.MAIN,
        question="real",
        radius=5.0,
        points=None,
        **decision,
    ):
        """One more participant paints on the image, in a pair with an image of its own."""
        participant = ParticipantFactory(arm=self.arms[arm])
        pair = PairFactory(study_id=self.study.id, real_image_id=image_id)
        trial = TrialFactory(participant=participant, pair=pair, kind=kind, question=question)
        annotation = AnnotationFactory(decision=DecisionFactory(trial=trial, **decision))
        StrokeFactory(
            annotation_id=annotation.id,
            radius=radius,
            points=points or [[10.0, 10.0, 0.0], [20.0, 10.0, 40.0]],
        )
        return annotation

    def decision_of(self, annotation):
        return self.db.get_one(factories.models.Decision, annotation.decision_id)

    def trial_of(self, annotation):
        return self.db.get_one(factories.models.Trial, self.decision_of(annotation).trial_id)

    def participant_of(self, annotation):
        return self.db.get_one(factories.models.Participant, self.trial_of(annotation).participant_id)

    def decide_again(self, annotation, **decision) -> None:
        """Somebody else decides on the same pair, and paints nothing."""
        pair = self.db.get_one(factories.models.Pair, self.trial_of(annotation).pair_id)
        participant = ParticipantFactory(arm=self.arms["annotate"])
        DecisionFactory(trial=TrialFactory(participant=participant, pair=pair), **decision)

    def mistake(self, annotation) -> None:
        """Whoever painted it decides wrongly elsewhere."""
        pair = PairFactory(study_id=self.study.id)
        trial = TrialFactory(participant=self.participant_of(annotation), pair=pair)
        DecisionFactory(trial=trial, correct=False)

    def flag(self, annotation, *, trial_id=None) -> None:
        participant = self.participant_of(annotation)
        raised = QualityFlag(participant_id=participant.id, trial_id=trial_id, kind="one_side", detail={})
        self.db.add(raised)
        self.db.commit()

    def withdraw(self, annotation) -> None:
        withdraw(self.db, self.participant_of(annotation))
        self.db.commit()

    def forget(self) -> None:
        """No earlier map can be taken over."""
        self.db.query(SaliencyMap).delete()
        self.db.query(MapAverage).delete()
        self.db.query(MapSet).delete()
        self.db.commit()

    def build(self, parameters=DEFAULT, **options) -> MapSet:
        map_set = request_map_set(self.db, self.study, parameters, queued=False)
        self.db.commit()
        build_map_set(self.sessions, self.blobs, map_set.id, **options)
        self.db.refresh(map_set)
        return map_set

    def built_at_once(self) -> MapSet:
        """The same set again, by a build that nothing interrupts and that takes nothing over."""
        self.forget()
        return self.build()

    def leave(self, annotation) -> None:
        """Withdraw, on a connection of one's own."""
        with self.sessions.begin() as session:
            withdraw(session, session.get_one(Participant, self.participant_of(annotation).id))

    def row(self, map_set, image_id) -> SaliencyMap:
        return self.db.get_one(SaliencyMap, (map_set.id, image_id))

    def blob(self, map_set, image_id) -> str:
        return self.row(map_set, image_id).blob_hash

    def images(self, map_set) -> list[int]:
        query = select(SaliencyMap.image_id).where(SaliencyMap.map_set_id == map_set.id)
        return list(self.db.scalars(query.order_by(SaliencyMap.image_id)))

    def rows(self, map_set) -> list[tuple]:
        """All that a set says, but its own id."""
        columns = [column for column in SaliencyMap.__table__.columns if column.name != "map_set_id"]
        query = select(*columns).where(SaliencyMap.map_set_id == map_set.id)
        return [tuple(row) for row in self.db.execute(query.order_by(SaliencyMap.image_id))]


@pytest.fixture
def world(noise, db, session_factory, blobs):
    return World(db, session_factory, blobs)


@pytest.fixture
def own_world(own_database, blobs):
    settings, sessions = own_database
    with sessions() as session:
        factories.SESSION_HOLDER["session"] = session
        yield World(session, sessions, blobs), settings
