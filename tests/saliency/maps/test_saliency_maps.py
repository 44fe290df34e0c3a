"""Maps against the formula written out with scipy, and the promises around it."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter

from saliency import (
    Annotation,
    ImageAnnotations,
    MapParameters,
    Stroke,
    build_image_map,
    build_maps,
    rasterize,
    scale_map,
)
from saliency.maps.blur import blur
from saliency.maps.merging import sum_masks
from saliency.masks.rasterizing import rasterize_ink

WIDTH, HEIGHT = 120, 100


def brush(radius, *points):
    return Stroke("brush", radius, np.array([(x, y, 0) for x, y in points], dtype=np.float64))


def annotation(number, *strokes, correct=True):
    return Annotation(annotation_id=f"a{number}", correct=correct, strokes=strokes)


def image(*annotations, image_id="face"):
    return ImageAnnotations(image_id, WIDTH, HEIGHT, annotations)


EYE, MOUTH = brush(9, (30, 30), (50, 33)), brush(7.5, (40, 70), (80, 66), (90, 60))
LEFT = annotation(1, EYE)
BOTH = annotation(2, EYE, MOUTH)
WRONG = annotation(3, MOUTH, correct=False)
BLANK = annotation(4)


def by_formula(annotations, sigma):
    masks = [rasterize(one.strokes, width=WIDTH, height=HEIGHT).astype(np.float64) for one in annotations]
    blurred = gaussian_filter(np.mean(masks, axis=0), sigma, mode="reflect", truncate=4)
    return (blurred - blurred.min()) / (blurred.max() - blurred.min())


class TestBuildImageMap:
    @pytest.mark.parametrize("sigma", [0.3, 1, 5, 11.7, 60])
    def test_it_is_the_scaled_blurred_mean_of_masks(self, sigma):
        built = build_image_map(image(LEFT, BOTH), MapParameters(sigma_px=sigma))
        np.testing.assert_allclose(built.values, by_formula([LEFT, BOTH], sigma), atol=1e-5)

    def test_sigma_zero_leaves_the_mean_sharp(self):
        built = build_image_map(image(LEFT, BOTH), MapParameters(sigma_px=0))
        assert set(np.unique(built.values)) == {0.0, 0.5, 1.0}

    def test_only_correct_annotations_count(self):
        without = build_image_map(image(LEFT), MapParameters())
        np.testing.assert_array_equal(
            build_image_map(image(LEFT, WRONG), MapParameters()).values, without.values
        )

    def test_all_annotations_count_when_asked(self):
        built = build_image_map(image(LEFT, WRONG), MapParameters(include="all"))
        np.testing.assert_allclose(built.values, by_formula([LEFT, WRONG], 5), atol=1e-5)

    @pytest.mark.parametrize("annotations", [(), (BLANK,), (WRONG,), (annotation(5, brush(3, (-90, -90))),)])
    def test_nobody_drew_is_no_map(self, annotations):
        assert build_image_map(image(*annotations), MapParameters()) is None

    def test_an_annotation_without_ink_does_not_count(self):
        built = build_image_map(image(LEFT, BLANK), MapParameters())
        assert built.annotators == 1
        assert build_image_map(image(LEFT, BLANK), MapParameters(min_annotators=2)) is None

    def test_the_order_of_annotations_changes_no_bit(self):
        one, two = (build_image_map(image(*order), MapParameters()) for order in ((LEFT, BOTH), (BOTH, LEFT)))
        assert one.values.tobytes() == two.values.tobytes()
        assert one.agreement == two.agreement

    def test_a_wholly_painted_image_is_one_everywhere(self):
        everything = annotation(1, brush(300, (60, 50)))
        built = build_image_map(image(everything, replace(everything, annotation_id="b")), MapParameters())
        assert (built.values == 1).all()
        assert (built.coverage, built.agreement) == (1.0, 0.0)
        assert built.entropy == pytest.approx(np.log(WIDTH * HEIGHT), rel=1e-5)

    def test_coverage_is_the_share_painted_by_anyone(self):
        painted = rasterize([EYE, MOUTH], width=WIDTH, height=HEIGHT).mean()
        assert build_image_map(image(LEFT, BOTH), MapParameters()).coverage == pytest.approx(painted)

    def test_agreement_is_the_mean_leave_one_out_correlation(self):
        masks = [rasterize(one.strokes, width=WIDTH, height=HEIGHT) for one in (LEFT, BOTH, WRONG)]
        blurred = np.array([gaussian_filter(mask.astype(float), 5, truncate=4).ravel() for mask in masks])
        expected = [np.corrcoef(blurred[i], np.delete(blurred, i, 0).mean(0))[0, 1] for i in range(3)]
        built = build_image_map(image(LEFT, BOTH, WRONG), MapParameters(include="all"))
        assert built.agreement == pytest.approx(np.mean(expected), abs=1e-5)

    def test_whoever_counts_little_agrees_as_much(self):
        """Weights decide about the others' mean, never whether somebody's own mask is lost in rounding."""
        small = annotation(3, brush(6, (30, 30)))
        people = [replace(one, accuracy=share) for one, share in ((LEFT, 1.0), (small, 0.5015), (BOTH, 0.9))]
        weights = np.array([1.0, 0.003, 0.8])
        masks = [rasterize(one.strokes, width=WIDTH, height=HEIGHT) for one in people]
        blurred = np.array([gaussian_filter(mask.astype(float), 5, truncate=4).ravel() for mask in masks])
        weighted = weights[:, None] * blurred
        expected = [np.corrcoef(blurred[i], np.delete(weighted, i, 0).sum(0))[0, 1] for i in range(3)]
        built = build_image_map(image(*people), MapParameters(include="all", weight="accuracy"))
        assert built.agreement == pytest.approx(np.mean(expected), abs=1e-4)

    def test_one_annotator_agrees_with_nobody(self):
        assert build_image_map(image(LEFT), MapParameters()).agreement is None


class TestSumMasks:
    def test_hundreds_of_annotators_are_counted_without_overflow(self):
        ink = rasterize_ink([EYE], width=WIDTH, height=HEIGHT)
        assert sum_masks([ink] * 300, width=WIDTH, height=HEIGHT).max() == 300


class TestBuildMaps:
    def test_results_come_in_order_and_name_images_without_a_map(self):
        items = [image(LEFT, image_id="a"), image(image_id="b"), image(BOTH, image_id="c")]
        built = list(build_maps(items, MapParameters()))
        assert [(name, one is None) for name, one in built] == [("a", False), ("b", True), ("c", False)]

    def test_processes_change_no_bit_even_beside_threads(self):
        items = [image(LEFT, BOTH, image_id=f"i{n}") for n in range(12)]
        stop = threading.Event()
        threading.Thread(target=stop.wait).start()
        try:
            shared = [
                (name, one.values.tobytes()) for name, one in build_maps(items, MapParameters(), jobs=2)
            ]
        finally:
            stop.set()
        assert shared == [(name, one.values.tobytes()) for name, one in build_maps(items, MapParameters())]

    def test_it_reads_only_a_little_ahead(self):
        read = []
        items = (read.append(n) or image(LEFT, image_id=str(n)) for n in range(1000))
        next(build_maps(items, MapParameters()))
        assert len(read) == 1

    def test_less_than_one_process_is_refused(self):
        with pytest.raises(ValueError, match="jobs must be at least 1"):
            list(build_maps([], MapParameters(), jobs=0))


class TestBlur:
    @settings(max_examples=60, deadline=None)
    @given(arrays(np.uint8, (23, 31), elements=st.sampled_from([0] * 40 + [1, 3])), st.floats(0.1, 9))
    def test_it_equals_scipy_wherever_the_ink_is(self, ink, sigma):
        expected = gaussian_filter(ink.astype(np.float64), sigma, mode="reflect", truncate=4)
        np.testing.assert_allclose(blur(ink, sigma_px=sigma), expected, atol=1e-5)

    @pytest.mark.parametrize("sigma", [1, 5, 30])
    def test_tiles_leave_no_seam(self, sigma):
        ink = np.zeros((530, 700), np.uint8)
        ink[250:262, 20:600] = ink[3, 690] = ink[500:, 250:260] = 2
        expected = gaussian_filter(ink.astype(np.float64), sigma, mode="reflect", truncate=4)
        np.testing.assert_allclose(blur(ink, sigma_px=sigma), expected, atol=1e-5)

    def test_a_blank_image_stays_blank(self):
        assert not blur(np.zeros((5, 6), np.uint8), sigma_px=3).any()


class TestScaleMap:
    maps = arrays(np.float32, (5, 6), elements=st.floats(0, 1000, width=32))

    @given(maps, st.sampled_from(["minmax", "peak"]))
    def test_it_is_finite_and_within_zero_and_one(self, values, scale):
        scaled = scale_map(values, scale=scale)
        assert np.isfinite(scaled).all()
        assert scaled.min() >= 0
        assert scaled.max() <= 1

    def test_minmax_lifts_the_floor_to_zero_and_peak_does_not(self):
        values = np.array([[1, 2, 4]], np.float32)
        np.testing.assert_allclose(scale_map(values), [[0, 1 / 3, 1]], rtol=1e-6)
        np.testing.assert_allclose(scale_map(values, scale="peak"), [[0.25, 0.5, 1]], rtol=1e-6)

    def test_zeros_stay_zero_and_any_other_constant_becomes_one(self):
        assert (scale_map(np.zeros((2, 2), np.float32)) == 0).all()
        assert (scale_map(np.full((2, 2), 0.3, np.float32)) == 1).all()
