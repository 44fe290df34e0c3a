"""Reliability against NumPy on the maps themselves, and against annotators of known quality."""

import numpy as np
import pytest

from saliency import Annotation, ImageAnnotations, MapParameters, Stroke, build_image_map, rasterize
from saliency.comparison.reliability import (
    annotators_needed,
    blurred_covariance,
    image_reliability,
    spearman_brown,
    split_half,
    summarise,
)
from saliency.maps.blur import blur
from saliency.maps.building import counted_inks

WIDTH, HEIGHT = 90, 80
PARAMETERS = MapParameters(sigma_px=3)


def dab(x, y, radius=9):
    return Stroke("brush", radius, np.array([[x, y, 0.0]]))


def image(*places, image_id="face"):
    drawn = [Annotation(f"a{i}", correct=True, strokes=(dab(*place),)) for i, place in enumerate(places)]
    return ImageAnnotations(image_id, WIDTH, HEIGHT, tuple(drawn))


PLACES = ((20, 20), (24, 22), (30, 30), (22, 40), (60, 50))


class TestImageReliability:
    def test_leave_one_out_is_the_agreement_of_the_map(self):
        measured = image_reliability(image(*PLACES), PARAMETERS)
        built = build_image_map(image(*PLACES), PARAMETERS)
        assert measured.leave_one_out == pytest.approx(built.agreement, abs=1e-4)

    def test_people_who_paint_the_same_agree_perfectly(self):
        measured = image_reliability(image(*[(30, 30)] * 4), PARAMETERS)
        assert (measured.leave_one_out, measured.iou, measured.dice) == pytest.approx((1, 1, 1))
        assert measured.curve == pytest.approx((1, 1))
        assert measured.projected == pytest.approx(1)

    def test_pairwise_overlap_is_that_of_the_masks(self):
        one, two = (rasterize([dab(*place)], width=WIDTH, height=HEIGHT) for place in PLACES[:2])
        measured = image_reliability(image(*PLACES[:2]), PARAMETERS)
        assert measured.iou == pytest.approx((one & two).sum() / (one | two).sum())
        assert measured.dice == pytest.approx(2 * (one & two).sum() / (one.sum() + two.sum()))

    def test_the_ceilings_are_numpys_correlations_with_everybody(self):
        masks = [rasterize([dab(*place)], width=WIDTH, height=HEIGHT) for place in PLACES]
        blurred = np.array([blur(mask, sigma_px=PARAMETERS.sigma_px).ravel() for mask in masks])
        with_all = [np.corrcoef(one, blurred.mean(axis=0))[0, 1] for one in blurred]
        measured = image_reliability(image(*PLACES), PARAMETERS)
        assert measured.with_own == pytest.approx(np.mean(with_all), abs=1e-5)
        assert measured.leave_one_out < measured.with_own
        assert measured.ceiling == pytest.approx(measured.projected**0.5)

    def test_one_annotator_is_no_agreement(self):
        assert image_reliability(image((9, 9)), PARAMETERS) is None
        assert summarise([]).leave_one_out is None

    def test_everything_painted_by_all_is_zero_not_nan(self):
        everything = image((40, 40, 300), (41, 40, 300))
        assert image_reliability(everything, PARAMETERS).leave_one_out == 0


class TestSplitHalf:
    def test_single_annotators_correlate_as_their_maps_do(self):
        inks = [ink for _, ink in counted_inks(image(*PLACES), PARAMETERS)]
        covariance = blurred_covariance(inks, width=WIDTH, height=HEIGHT, sigma_px=3)
        masks = [rasterize([dab(*place)], width=WIDTH, height=HEIGHT) for place in PLACES]
        pairs = np.corrcoef([blur(mask, sigma_px=3).ravel() for mask in masks])[np.triu_indices(5, 1)]
        rng = np.random.default_rng(0)
        assert split_half(covariance, size=1, splits=4000, rng=rng) == pytest.approx(pairs.mean(), abs=0.02)

    def test_spearman_brown_foretells_larger_groups_of_parallel_annotators(self):
        rng = np.random.default_rng(1)
        maps = rng.normal(size=4000) + rng.normal(size=(40, 4000)) * 2
        single, ten = (split_half(np.cov(maps), size=k, splits=300, rng=rng) for k in (1, 10))
        assert spearman_brown(single, factor=10) == pytest.approx(ten, abs=0.02)


class TestAnnotatorsNeeded:
    def test_it_is_the_smallest_number_that_reaches_the_target(self):
        needed = annotators_needed(0.3)
        assert spearman_brown(0.3, factor=needed) >= 0.9 > spearman_brown(0.3, factor=needed - 1)

    @pytest.mark.parametrize(("single", "needed"), [(0.95, 1), (0.9, 1), (0.5, 9), (0.0, None), (-0.1, None)])
    def test_extremes(self, single, needed):
        assert annotators_needed(single) == needed


class TestSummarise:
    def test_each_point_of_the_curve_averages_the_images_that_reach_it(self):
        measured = [image_reliability(image(*PLACES[:n]), PARAMETERS) for n in (2, 4)]
        summary = summarise(measured)
        assert summary.images == 2
        assert summary.curve[1] == measured[1].curve[1]
        assert summary.curve[0] == pytest.approx((measured[0].curve[0] + measured[1].curve[0]) / 2)
