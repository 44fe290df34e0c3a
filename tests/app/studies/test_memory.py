"""What an attacker gets right who looks at nothing but which face came before."""

import re
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BadStudy
from app.models import Label, StudyState
from app.studies.memory import TimesMet, foreknowledge, refuse_tell_tales
from app.studies.pairing import random_pairs
from app.studies.schemas import StudySpec
from app.studies.service import create_study, open_study, pause_study
from tests.app.studies.test_pairing import faces
from tests.support.factories import ImageFactory, PairFactory, StudyFactory


def design(real: int, fake: int, pairs: int) -> list[tuple[int, int]]:
    return random_pairs(faces(real), faces(fake, "gan"), per_source=pairs, seed=0)


class TestPick:
    def picked(self, pairs, *, met=(), before=()):
        participant = TimesMet(met)
        for pair in before:
            participant.add(pair)
        return participant.pick(dict(enumerate(pairs)))

    def test_the_first_pair_with_two_new_faces_is_next(self):
        assert self.picked([(1, 12), (2, 11), (2, 12), (3, 13)], before=[(1, 11)]) == 2

    def test_without_one_both_faces_have_been_seen_equally_often(self):
        seen = [(1, 11), (2, 12), (1, 12)]
        assert self.picked([(1, 11), (1, 13), (2, 11)], before=seen) == 2

    def test_the_least_seen_of_those_goes_first(self):
        assert self.picked([(1, 11), (2, 12)], met=[1, 1, 11, 11, 2, 12]) == 1

    def test_what_one_pair_gives_away_the_next_contradicts(self):
        """First the real face had been seen before, then the fake one."""
        assert self.picked([(2, 13), (5, 12)], before=[(1, 11), (2, 12), (1, 14)]) == 1
        assert self.picked([(5, 12), (2, 13)], before=[(1, 11), (2, 12), (4, 11)]) == 1


class TestForeknowledge:
    def test_seven_real_faces_in_eighteen_pairs_give_most_answers_away(self):
        found = foreknowledge(design(7, 18, 18), trials=16)
        assert (found.told, found.repeated, found.new) == (pytest.approx(9 / 32), Label.REAL, 7)

    def test_few_fake_faces_do_so_too(self):
        swapped = [(fake, real) for real, fake in design(7, 18, 18)]
        assert foreknowledge(swapped, trials=16).repeated is Label.FAKE

    def test_where_no_face_is_in_two_pairs_no_visit_needs_to_be_simulated(self, monkeypatch):
        monkeypatch.setattr("app.studies.memory._visit", None)
        found = foreknowledge([(face, face + 100) for face in range(30)], trials=20)
        assert (found.told, found.new) == (0, 20)

    @pytest.mark.parametrize(("real", "fake", "pairs", "trials"), [(7, 18, 18, 7), (500, 600, 3000, 30)])
    def test_where_nothing_comes_twice_nothing_is_told(self, real, fake, pairs, trials):
        found = foreknowledge(design(real, fake, pairs), trials=trials)
        assert (found.told, found.new) == (0.0, trials)

    @pytest.mark.parametrize(("faces_", "trials"), [(6, 20), (12, 60)])
    def test_faces_that_come_again_equally_often_tell_next_to_nothing(self, faces_, trials):
        assert (
            foreknowledge(list(product(range(faces_), range(100, 100 + faces_))), trials=trials).told < 0.005
        )

    @settings(deadline=None, max_examples=25)
    @given(real=st.integers(2, 9), fake=st.integers(2, 9), trials=st.integers(1, 8))
    def test_it_is_half_at_most_and_the_same_each_time(self, real, fake, trials):
        pairs = design(real, fake, min(real * fake, 12))
        found = [foreknowledge(pairs, trials=min(trials, len(pairs))) for _ in range(2)]
        assert found[0] == found[1]
        assert 0 <= found[0].told <= 0.5

    def test_an_attacker_written_apart_from_it_agrees(self):
        """Who learned from ten thousand visits at which place in a visit which face is the real one."""
        pairs = design(28, 100, 100)
        right = np.mean([attack(pairs, trials=30) for _ in range(20)])
        assert right == pytest.approx(0.5 + foreknowledge(pairs, trials=30).told, abs=0.005)


def attack(pairs, *, trials):
    """Expected share of right answers in one visit: a known face is taken for the real one, else a coin."""
    rng = np.random.default_rng()
    met, seen, right = TimesMet(), Counter(), 0.0
    left = {number: pairs[number] for number in rng.permutation(len(pairs))}
    for _ in range(trials):
        pair = left.pop(met.pick(left))
        real, fake = (seen[image] for image in pair)
        right += 0.5 if real == fake else float(real > fake)
        met.add(pair)
        seen.update(pair)
    return right / trials


class TestTellTales:
    @pytest.fixture
    def spec(self, db):
        ImageFactory.create_batch(7, label=Label.REAL, source="booth")
        ImageFactory.create_batch(18, label=Label.FAKE, source="gan")
        pairs = {"per_source": 18, "sources": ["gan"], "real_sources": ["booth"]}

        def describe(**changes):
            described = {"slug": "faces", "title": "T", "pairs": pairs, "trials_per_participant": 16}
            return StudySpec.model_validate(described | changes)

        return describe

    def test_a_study_that_gives_its_answers_away_is_refused_with_what_to_do(self, db, spec):
        with pytest.raises(BadStudy, match="a face seen before is the real one") as refused:
            create_study(db, spec())
        most = int(re.search(r"Ask for (\d+) trials or fewer", str(refused.value))[1])
        assert "7 real and 18 fake images" in str(refused.value)
        assert create_study(db, spec(trials_per_participant=most)).state is StudyState.DRAFT

    def test_a_draft_of_before_is_not_opened(self, db):
        study, reals = (
            StudyFactory(state=StudyState.DRAFT, trials_per_participant=6),
            ImageFactory.create_batch(2),
        )
        for number in range(8):
            PairFactory(study_id=study.id, real_image_id=reals[number % 2].id)
        with pytest.raises(BadStudy, match="seen before"):
            open_study(db, study)
        assert study.state is StudyState.DRAFT

    def test_one_that_runs_already_may_go_on(self, db):
        study, real = StudyFactory(state=StudyState.OPEN), ImageFactory()
        PairFactory.create_batch(4, study_id=study.id, real_image_id=real.id)
        pause_study(db, study)
        assert open_study(db, study).state is StudyState.OPEN

    def test_a_lean_too_small_to_use_is_let_through(self):
        assert refuse_tell_tales(design(99, 1000, 1000), trials=100) is None
