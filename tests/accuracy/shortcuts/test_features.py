import cv2
import numpy as np
import pytest

from accuracy.shortcuts.features import (
    GROUPS,
    background_features,
    file_features,
    pixel_features,
    spectrum_features,
)
from saliency.images.file_facts import FileFacts
from tests.support.pictures import pixels


class TestFeatures:
    def test_files_and_pixels_give_every_group_once(self):
        facts = FileFacts("JPEG", 1000, 64, 64, 90, "4:2:0")
        assert {**file_features(facts), **pixel_features(pixels())}.keys() == GROUPS.keys()

    @pytest.mark.parametrize("shape", [(32, 32), (33, 70), (128, 40)])
    def test_a_picture_of_one_colour_has_finite_numbers_of_the_same_length(self, shape):
        flat = pixel_features(np.full((*shape, 3), 7, np.uint8), (5.0, 5.0, 20.0, 20.0))
        other = pixel_features(pixels())
        assert all(np.isfinite(values).all() for values in flat.values())
        assert {name: len(values) for name, values in flat.items()} == {
            name: len(values) for name, values in other.items()
        }

    def test_without_loss_counts_as_the_best_quality(self):
        lossless, best = FileFacts("PNG", 10, 4, 4), FileFacts("JPEG", 10, 4, 4, 100)
        assert file_features(lossless)["encoding"][2] == file_features(best)["encoding"][2] == 100


class TestSpectrum:
    def test_a_wave_shows_in_its_ring_alone(self):
        frequency = 0.25  # cycles for each pixel: ring 8 of 16 up to 0.5
        wave = 127 + 100 * np.sin(2 * np.pi * frequency * np.arange(128))
        picture = np.repeat(np.tile(wave, (128, 1))[..., None], 3, axis=2).astype(np.uint8)
        assert spectrum_features(picture).argmax() == 8

    def test_blur_takes_power_from_the_fine_rings(self):
        noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
        change = spectrum_features(cv2.GaussianBlur(noise, (0, 0), 2)) - spectrum_features(noise)
        assert change[0] > -1
        assert (change[8:] < -3).all()


class TestBackground:
    def test_pixels_in_the_face_box_do_not_count(self):
        picture = pixels(1)
        other = picture.copy()
        other[0:40, 10:50] = 255
        face = (10.0, 0.0, 40.0, 40.0)
        assert (background_features(picture, face) == background_features(other, face)).all()
        assert (background_features(picture) != background_features(other)).any()

    def test_neither_the_middle_nor_what_is_below_counts(self):
        picture = pixels(1)
        other = picture.copy()
        other[20:, 10:-10] = 0
        assert (background_features(picture) == background_features(other)).all()

    def test_a_face_that_fills_the_picture_leaves_the_border_as_it_is(self):
        picture = pixels(1)
        assert (background_features(picture, (0.0, 0.0, 64.0, 64.0)) == background_features(picture)).all()
