"""Which annotations count in a map, and how much."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from saliency import Annotation, ImageAnnotations, MapParameters, Stroke, build_image_map, rasterize
from saliency.maps.inclusion import MissingField, included, weights

WIDTH, HEIGHT = 90, 70
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def dab(x, y, radius=8):
    return Stroke("brush", radius, np.array([(x, y, 0.0)]))


def annotation(number, x=30, **fields):
    given = {
        "arm": "annotate",
        "question": "fake",
        "participant": f"p{number}",
        "accuracy": 0.75,
        "decision_ms": 2_000.0,
        "decided_at": START + timedelta(minutes=number),
        "flags": (),
    } | fields
    return Annotation(f"a{number}", given.pop("correct", True), (dab(x, 30),), **given)


ALL = (
    annotation(1),
    annotation(2, arm="advised"),
    annotation(3, question="real"),
    annotation(4, flags=("too_fast",)),
    annotation(5, correct=False),
    annotation(6, flags=("same_place", "too_slow")),
)


def numbers(parameters, annotations=ALL):
    return [int(one.annotation_id[1:]) for one in included(annotations, parameters)]


def built(annotations, **parameters):
    return build_image_map(
        ImageAnnotations("face", WIDTH, HEIGHT, tuple(annotations)), MapParameters(**parameters)
    )


class TestIncluded:
    @pytest.mark.parametrize(
        ("parameters", "kept"),
        [
            ({}, [1, 2, 3, 4, 6]),
            ({"include": "all"}, [1, 2, 3, 4, 5, 6]),
            ({"arms": ("annotate",)}, [1, 3, 4, 6]),
            ({"arms": ("advised", "annotate")}, [1, 2, 3, 4, 6]),
            ({"arms": ("nobody",)}, []),
            ({"questions": ("real",)}, [3]),
            ({"without_flags": ("too_fast",)}, [1, 2, 3, 6]),
            ({"without_flags": ("any",)}, [1, 2, 3]),
            ({"decided_from": START + timedelta(minutes=3)}, [3, 4, 6]),
            ({"decided_before": START + timedelta(minutes=3)}, [1, 2]),
            ({"include": "all", "arms": ("annotate",), "questions": ("fake",)}, [1, 4, 5, 6]),
        ],
        ids=str,
    )
    def test_filters_leave_what_they_name(self, parameters, kept):
        assert numbers(MapParameters(**parameters)) == kept

    def test_the_earliest_come_first_and_ids_break_ties(self):
        late, early = annotation(1), replace(annotation(2), decided_at=START)
        tied = replace(annotation(0), decided_at=START)
        assert numbers(MapParameters(first_annotators=9), [late, early, tied]) == [0, 2, 1]

    @pytest.mark.parametrize(
        ("field", "parameters"),
        [
            ("arm", {"arms": ("annotate",)}),
            ("question", {"questions": ("fake",)}),
            ("flags", {"without_flags": ("any",)}),
            ("decided_at", {"first_annotators": 1}),
            ("decided_at", {"decided_before": START}),
            ("accuracy", {"weight": "accuracy"}),
            ("decision_ms", {"weight": "fast"}),
        ],
    )
    def test_a_parameter_names_the_field_it_misses(self, field, parameters):
        with pytest.raises(MissingField, match=f"annotation a1 has no {field}, which the parameter"):
            built([replace(annotation(1), **{field: None})], **parameters)

    def test_a_bare_annotation_is_enough_for_the_default(self):
        assert built([Annotation("a", correct=True, strokes=(dab(30, 30),))]).annotators == 1


class TestFirstAnnotators:
    def test_those_without_ink_take_no_place(self):
        blank = replace(annotation(0), strokes=())
        two = built([blank, annotation(1), annotation(2, 60), annotation(3, 80)], first_annotators=2)
        assert two.annotators == 2
        np.testing.assert_array_equal(two.values, built([annotation(1), annotation(2, 60)]).values)

    def test_more_than_there_are_is_all(self):
        assert built(ALL, first_annotators=50).annotators == 5


class TestWeights:
    def of(self, weight, **fields):
        values = zip(*fields.values(), strict=True)
        drawn = [annotation(i, **dict(zip(fields, row, strict=True))) for i, row in enumerate(values)]
        return list(weights(drawn, MapParameters(weight=weight)))

    def test_equal_is_one_each(self):
        assert self.of("equal", accuracy=[0.1, 0.9]) == [1, 1]

    def test_accuracy_is_the_share_known_rather_than_guessed(self):
        assert self.of("accuracy", accuracy=[1, 0.75, 0.5, 0.2]) == [1, 0.5, 0, 0]

    def test_fast_and_slow_are_a_half_at_the_median_and_one_together(self):
        times = [0.0, 1_000.0, 3_000.0]
        fast, slow = self.of("fast", decision_ms=times), self.of("slow", decision_ms=times)
        assert fast == [1, 0.5, 0.25]
        assert [a + b for a, b in zip(fast, slow, strict=True)] == [1, 1, 1]

    def test_decisions_that_took_no_time_weigh_the_same(self):
        assert (
            self.of("fast", decision_ms=[0.0, 0.0]) == self.of("slow", decision_ms=[0.0, 0.0]) == [0.5, 0.5]
        )

    def test_the_map_is_that_of_the_weighted_mean(self):
        drawn = [
            annotation(1, 25, accuracy=0.9),
            annotation(2, 35, accuracy=0.6),
            annotation(3, 70, accuracy=0.7),
        ]
        masks = [rasterize(one.strokes, width=WIDTH, height=HEIGHT) for one in drawn]
        mean = np.average(np.array(masks, dtype=np.float64), axis=0, weights=[0.8, 0.2, 0.4])
        blurred = gaussian_filter(mean, 5, mode="reflect", truncate=4)
        expected = (blurred - blurred.min()) / np.ptp(blurred)
        np.testing.assert_allclose(built(drawn, weight="accuracy").values, expected, atol=1e-5)

    def test_agreement_is_with_the_weighted_mean_of_the_others(self):
        drawn = [
            annotation(1, 25, decision_ms=500.0),
            annotation(2, 35),
            annotation(3, 45, decision_ms=9_000.0),
        ]
        masks = [rasterize(one.strokes, width=WIDTH, height=HEIGHT).astype(np.float64) for one in drawn]
        shares = np.array(list(weights(drawn, MapParameters(weight="fast"))))
        blurred = np.array([gaussian_filter(mask, 5, mode="reflect", truncate=4) for mask in masks])
        expected = []
        for i in range(3):
            others = [j for j in range(3) if j != i]
            mean = np.average(blurred[others], axis=0, weights=shares[others])
            expected.append(np.corrcoef(blurred[i].ravel(), mean.ravel())[0, 1])
        assert built(drawn, weight="fast").agreement == pytest.approx(np.mean(expected), abs=1e-5)

    def test_weights_that_are_all_the_same_change_no_bit(self):
        drawn = [annotation(1, 25), annotation(2, 40)]
        assert built(drawn, weight="accuracy").values.tobytes() == built(drawn).values.tobytes()

    def test_an_annotator_at_chance_counts_for_nothing(self):
        drawn = [annotation(1, accuracy=0.5), annotation(2, 60)]
        assert built(drawn, weight="accuracy").annotators == 1
        assert built(drawn[:1], weight="accuracy") is None

    @pytest.mark.parametrize("weight", ["accuracy", "fast"])
    def test_the_order_of_annotations_changes_no_bit(self, weight):
        rng = np.random.default_rng(3)
        drawn = [
            annotation(
                i, rng.uniform(10, 80), accuracy=rng.uniform(0.6, 1), decision_ms=rng.uniform(1, 9_000)
            )
            for i in range(5)
        ]
        one, two = (built(order, weight=weight) for order in (drawn, drawn[::-1]))
        assert one.values.tobytes() == two.values.tobytes()
