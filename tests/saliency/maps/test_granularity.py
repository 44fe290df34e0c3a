"""Areas and boxes out of maps."""

import numpy as np
import pytest

from saliency import Annotation, ImageAnnotations, MapParameters, Stroke, build_image_map
from saliency.maps.granularity import coarsen

VALUES = np.zeros((8, 12), np.float32)
VALUES[1, 1], VALUES[2, 2], VALUES[2, 3] = 1.0, 0.6, 0.4
VALUES[5:7, 8:11] = 0.5


def ones(*boxes):
    expected = np.zeros(VALUES.shape, np.float32)
    for rows, columns in boxes:
        expected[rows, columns] = 1
    return expected


class TestCoarsen:
    def test_a_map_stays_as_it_is(self):
        assert coarsen(VALUES, granularity="map", threshold=0.5) is VALUES

    def test_an_area_begins_at_the_threshold_itself(self):
        area = coarsen(VALUES, granularity="area", threshold=0.5)
        np.testing.assert_array_equal(area, (VALUES >= 0.5).astype(np.float32))
        assert area[5, 8] == 1

    def test_a_box_goes_round_the_whole_area(self):
        box = coarsen(VALUES, granularity="box", threshold=0.5)
        np.testing.assert_array_equal(box, ones((slice(1, 7), slice(1, 11))))

    def test_boxes_go_round_each_region_and_corners_hold_together(self):
        boxes = coarsen(VALUES, granularity="boxes", threshold=0.5)
        np.testing.assert_array_equal(boxes, ones((slice(1, 3), slice(1, 3)), (slice(5, 7), slice(8, 11))))

    @pytest.mark.parametrize("granularity", ["area", "box", "boxes"])
    def test_the_extremes_are_all_or_nothing(self, granularity):
        for constant in (0, 1):
            flat = np.full((4, 5), constant, np.float32)
            np.testing.assert_array_equal(coarsen(flat, granularity=granularity, threshold=0.5), flat)


class TestBuild:
    def test_a_single_dab_without_blur_is_its_own_area_and_its_box(self):
        dab = Annotation("a", correct=True, strokes=(Stroke("brush", 3, np.array([[10.5, 8.5, 0]])),))
        item = ImageAnnotations("face", 30, 20, (dab,))
        area, box = (
            build_image_map(item, MapParameters(sigma_px=0, granularity=one)).values
            for one in ("area", "box")
        )
        assert area.sum() == 29
        assert box.sum() == 49
        assert (box[5:12, 7:14] == 1).all()

    def test_entropy_is_that_of_the_stored_map(self):
        dab = Annotation("a", correct=True, strokes=(Stroke("brush", 3, np.array([[10.5, 8.5, 0]])),))
        item = ImageAnnotations("face", 30, 20, (dab,))
        built = build_image_map(item, MapParameters(sigma_px=0, granularity="box"))
        assert built.entropy == pytest.approx(np.log(49))
