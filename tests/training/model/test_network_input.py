import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from training.model.network_input import HALF, IMAGENET, NetworkInput, resized, scale_of

RESIZES = ("area", "pil_bilinear")


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


class TestResized:
    @pytest.mark.parametrize("size", [(512, 512), (300, 500), (100, 90), (224, 300)])
    def test_pillows_bilinear_is_torchvisions_resize_of_a_pillow_image(self, size):
        pixels = noise(*size)
        theirs = v2.Resize([224, 224])(Image.fromarray(pixels))
        assert np.array_equal(resized(pixels, 224, "pil_bilinear"), np.asarray(theirs))

    def test_area_is_the_mean_over_the_covered_pixels(self):
        pixels = noise(512, 512)
        means = pixels.reshape(256, 2, 256, 2, 3).mean((1, 3))
        assert np.abs(resized(pixels, 256, "area") - means).max() <= 0.5

    def test_area_enlarges_smoothly(self):
        pixels = noise(100, 90)
        wanted = cv2.resize(pixels, (224, 224), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(resized(pixels, 224, "area"), wanted)

    @pytest.mark.parametrize("how", RESIZES)
    def test_an_image_of_that_size_is_left_alone(self, how):
        pixels = noise(224, 224)
        assert np.array_equal(resized(pixels, 224, how), pixels)


class TestInput:
    @pytest.mark.parametrize("how", RESIZES)
    def test_it_survives_its_record(self, how):
        network_input = NetworkInput(299, HALF, how)
        assert NetworkInput.of_record(network_input.as_record()) == network_input

    def test_a_record_of_before_there_was_a_choice_means_area(self):
        record = {"side": 224, "mean": list(IMAGENET.mean), "std": list(IMAGENET.std)}
        assert NetworkInput.of_record(record) == NetworkInput(224, IMAGENET, "area")

    def test_a_scale_is_asked_for_by_name(self):
        assert [scale_of(name) for name in ("auto", "imagenet", "half")] == [None, IMAGENET, HALF]
