import numpy as np
import pytest

from app.demo.answers import KnownAnswer, KnownFace, difficulty
from app.demo.people import chance, invent_person, judge
from app.models import Label, Question, Side
from app.trials.schemas import AnnotationRule
from saliency.masks.strokes import parse_strokes

SIZE = (320, 320)
ARTEFACT = (90.0, 130.0, 44.0, 32.0)


def truth(*, hard: float = 0.0, artefact: tuple[float, float, float, float] | None = ARTEFACT) -> KnownAnswer:
    faces = {
        Side.LEFT: KnownFace(Label.REAL, SIZE, None, None),
        Side.RIGHT: KnownFace(Label.FAKE, SIZE, None, artefact),
    }
    return KnownAnswer(faces, hard)


RULE = AnnotationRule(min_strokes=1, min_area=0.001, max_area=0.8)


def decisions(*, annotate: bool = False, hard: float = 0.0, question: Question = Question.FAKE) -> list[dict]:
    rule = RULE if annotate else None
    bodies = []
    for number in range(60):
        person = invent_person(3, number)
        rng = person.random_numbers()
        bodies += [judge(person, rng, truth(hard=hard), question=question, rule=rule) for _ in range(10)]
    return bodies


class TestTruth:
    def test_the_question_decides_which_side_is_right(self):
        assert truth().right_choice(Question.REAL) is Side.LEFT
        assert truth().right_choice(Question.FAKE) is Side.RIGHT

    def test_a_pair_is_as_hard_for_everybody(self):
        assert difficulty(7) == difficulty(7) != difficulty(8)


class TestPerson:
    def test_the_same_seed_invents_the_same_person(self):
        assert invent_person(1, 2) == invent_person(1, 2) != invent_person(1, 3)

    def test_people_are_right_about_69_times_in_100(self):
        easy_and_hard = [difficulty(pair) for pair in range(200)]
        people = [invent_person(0, number) for number in range(200)]
        means = [
            np.mean([chance(p, truth(hard=d), annotate=arm) for p in people for d in easy_and_hard[::7]])
            for arm in (False, True)
        ]
        assert np.mean(means) == pytest.approx(0.69, abs=0.02)

    def test_having_to_paint_makes_them_a_little_better(self):
        person = invent_person(0, 0)
        gain = chance(person, truth(), annotate=True) - chance(person, truth(), annotate=False)
        assert 0.02 < gain < 0.08

    def test_people_differ(self):
        chances = [chance(invent_person(0, n), truth(), annotate=False) for n in range(100)]
        assert np.std(chances) > 0.08

    def test_few_drop_out(self):
        quitters = [n for n in range(400) if invent_person(0, n).quits_after is not None]
        assert 5 < len(quitters) < 45


class TestJudge:
    def test_a_hard_pair_takes_longer(self):
        easy, hard = (np.median([b["decision_ms"] for b in decisions(hard=h)]) for h in (-1.0, 1.0))
        assert hard > 1.3 * easy

    def test_times_are_skewed_as_people_s_are(self):
        times = np.array([body["decision_ms"] for body in decisions()])
        assert times.mean() > 1.05 * np.median(times)
        assert abs(np.log(times).mean() - np.log(np.median(times))) < 0.1

    def test_without_annotation_nothing_is_painted(self):
        assert all("strokes" not in body and "annotation_ms" not in body for body in decisions())

    def test_what_is_painted_can_be_read_and_comes_after_the_choice(self):
        for body in decisions(annotate=True)[:100]:
            assert parse_strokes(body["strokes"], width=320, height=320)
            first, last = body["strokes"][0]["points"][0][2], body["strokes"][-1]["points"][-1][2]
            assert body["decision_ms"] < first <= last <= body["decision_ms"] + body["annotation_ms"]

    def test_whoever_sees_the_fake_paints_its_artefact_most_of_the_time(self):
        right = [body for body in decisions(annotate=True) if body["choice"] is Side.RIGHT]
        on_artefact = [body for body in right if overlaps(body["strokes"], ARTEFACT)]
        assert len(on_artefact) > 0.75 * len(right)

    def test_the_same_mind_decides_the_same(self):
        assert decisions(annotate=True)[:20] == decisions(annotate=True)[:20]


def overlaps(strokes: list[dict], region: tuple[float, float, float, float]) -> bool:
    x, y, w, h = region
    points = np.array([point for stroke in strokes for point in stroke["points"]])
    inside = (abs(points[:, 0] - x - w / 2) < w / 2) & (abs(points[:, 1] - y - h / 2) < h / 2)
    return bool(inside.mean() > 0.3)
