"""The crop moves an image and its map alike."""

import numpy as np
import pytest

from saliency import CropBox, apply_crop, face_crop


class TestFaceCrop:
    def test_it_adds_a_fifth_on_each_side_and_three_tenths_of_forehead(self):
        assert face_crop((100, 200, 100, 200), width=1000, height=1000) == CropBox(80, 100, 220, 440)

    def test_it_is_clipped_to_the_image(self):
        assert face_crop((-10, 5, 100, 90), width=90, height=100) == CropBox(0, 0, 90, 100)

    @pytest.mark.parametrize("box", [(0, 0, np.inf, np.inf), (-1e308, -1e308, 1.7e308, 1.7e308)])
    def test_a_box_without_end_is_clipped_too(self, box):
        assert face_crop(box, width=90, height=100) == CropBox(0, 0, 90, 100)

    def test_without_a_box_the_whole_image_is_kept(self):
        assert face_crop(None, width=640, height=480) == CropBox(0, 0, 640, 480)

    def test_a_speck_of_a_face_keeps_at_least_one_pixel(self):
        crop = face_crop((99.9, 0, 0.01, 0.01), width=100, height=100)
        assert (crop.width, crop.height) == (1, 1)

    @pytest.mark.parametrize(
        "box", [(0, 0, 0, 5), (0, 0, 5, -1), (200, 0, 5, 5), (0, -9, 5, 5), (float("nan"), 0, 5, 5)]
    )
    def test_a_box_that_misses_the_image_is_refused(self, box):
        with pytest.raises(ValueError, match="does not meet the 100x100 image"):
            face_crop(box, width=100, height=100)


class TestApplyCrop:
    def test_a_known_square_moves_through_image_and_map_alike(self):
        picture, saliency = np.zeros((600, 500, 3), np.uint8), np.zeros((600, 500), np.float32)
        picture[310:350, 180:220] = 255
        saliency[310:350, 180:220] = 1
        crop = face_crop((150, 250, 200, 200), width=500, height=600)
        left, right = (224 * (x - crop.left) / crop.width for x in (180, 220))
        top, bottom = (224 * (y - crop.top) / crop.height for y in (310, 350))
        for cropped in (apply_crop(picture, crop)[..., 1] / 255, apply_crop(saliency, crop)):
            rows, columns = np.nonzero(cropped > 0.5)
            assert (columns.min(), columns.max() + 1) == pytest.approx((left, right), abs=0.51)
            assert (rows.min(), rows.max() + 1) == pytest.approx((top, bottom), abs=0.51)

    def test_a_thin_line_fades_instead_of_vanishing(self):
        line = np.zeros((2240, 2240), np.float32)
        line[1113] = 1
        shrunk = apply_crop(line, CropBox(0, 0, 2240, 2240))
        np.testing.assert_allclose(shrunk.sum(axis=0), 0.1, rtol=1e-4)

    @pytest.mark.parametrize("crop", [CropBox(0, 0, 100, 60), CropBox(10, 5, 11, 6), CropBox(0, 0, 300, 7)])
    def test_a_constant_stays_that_constant_at_any_ratio(self, crop):
        result = apply_crop(np.full((60, 300), 40_000, np.uint16), crop, size=32)
        assert result.dtype == np.uint16
        assert (result == 40_000).all()

    def test_a_crop_outside_the_array_is_refused(self):
        with pytest.raises(ValueError, match="does not lie inside"):
            apply_crop(np.zeros((10, 10), np.uint8), CropBox(5, 5, 11, 10))
