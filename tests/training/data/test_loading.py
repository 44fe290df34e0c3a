from collections import Counter

import cv2
import numpy as np
import pytest
import torch

from training.data import loading
from training.data.dataset import load_dataset
from training.data.selection import limit_per_split
from training.errors import DatasetError
from training.model.backbones import Backbone, CyborgTiny
from training.model.network_input import IMAGENET, NetworkInput, PixelScale


@pytest.fixture(scope="module")
def dataset(request):
    return load_dataset(request.getfixturevalue("data"))


@pytest.fixture(scope="module")
def cached(dataset):
    return loading.load(
        dataset, dataset.of("train"), network_input=NetworkInput(32, IMAGENET), map_size=(4, 4), workers=2
    )


class TestLoad:
    def test_images_are_kept_as_bytes(self, cached):
        assert cached.images.dtype == torch.uint8
        assert cached.images.shape == (16, 3, 32, 32)

    def test_labels_follow_the_samples(self, cached, dataset):
        assert cached.labels.tolist() == [sample.target for sample in dataset.of("train")]

    def test_an_image_without_a_map_is_present_as_absent(self, cached):
        assert cached.present.tolist() == [False] + [True] * 15
        assert cached.human[0].isnan().all()

    def test_maps_come_at_the_size_of_the_cam_and_stretched(self, cached):
        assert cached.human.shape == (16, 4, 4)
        assert cached.human[1].argmax() in (0, 1, 4, 5)
        assert (cached.human[1].min(), cached.human[1].max()) == (0, 1)

    def test_colours_are_red_green_blue(self, tmp_path):
        red = np.zeros((32, 32, 3), np.uint8)
        red[..., 2] = 255  # OpenCV writes blue, green, red
        cv2.imwrite(str(tmp_path / "red.png"), red)
        assert loading.decode_image(tmp_path / "red.png", NetworkInput(8, IMAGENET))[:, 0, 0].tolist() == [
            255,
            0,
            0,
        ]

    def test_any_shape_becomes_square(self, tmp_path):
        cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((32, 96), np.uint8))
        assert loading.decode_image(tmp_path / "wide.png", NetworkInput(16, IMAGENET)).shape == (3, 16, 16)

    def test_a_file_that_is_no_image_is_named(self, tmp_path):
        (tmp_path / "x.png").write_text("no")
        with pytest.raises(DatasetError, match=r"x\.png is not an image"):
            loading.decode_image(tmp_path / "x.png", NetworkInput(8, IMAGENET))


def test_normalising_by_hand():
    network_input = NetworkInput(1, PixelScale((0.5, 0.5, 0.0), (0.5, 1.0, 1.0)))
    images = torch.tensor([255, 0, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    backbone = Backbone(CyborgTiny(), network_input=network_input)
    torch.testing.assert_close(backbone.normalise(images).flatten(), torch.tensor([1.0, -0.5, 0.2]))


class TestStream:
    @pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
    def test_any_batch_size_gives_the_same_images_in_order(self, dataset, batch_size):
        samples = dataset.of("test")
        batches = list(
            loading.decoded_batches(
                dataset.root,
                samples,
                network_input=NetworkInput(16, IMAGENET),
                batch_size=batch_size,
                workers=2,
            )
        )
        whole = loading.load(
            dataset, samples, network_input=NetworkInput(16, IMAGENET), map_size=(4, 4), workers=1
        ).images
        assert [sample for chunk, _ in batches for sample in chunk] == list(samples)
        assert torch.equal(torch.cat([images for _, images in batches]), whole)

    def test_no_images_are_no_batches(self, dataset):
        assert (
            list(
                loading.decoded_batches(
                    dataset.root, [], network_input=NetworkInput(16, IMAGENET), batch_size=2, workers=1
                )
            )
            == []
        )


class TestKeepRate:
    @pytest.mark.parametrize("rate", [0.0, 1.0])
    def test_none_and_all(self, cached, dataset, rate):
        kept = loading.subsample_maps(cached, dataset.of("train"), rate=rate, seed=0)
        assert kept.present.sum() == 15 * rate

    def test_a_larger_rate_keeps_what_a_smaller_one_kept(self, cached, dataset):
        few, many = (
            loading.subsample_maps(cached, dataset.of("train"), rate=r, seed=3).present for r in (0.3, 0.7)
        )
        assert (many | ~few).all()
        assert 0 < few.sum() < many.sum() < 15


class TestLimited:
    def test_it_takes_the_first_of_each_class_and_split(self, dataset):
        kept = limit_per_split(dataset.samples, 5)
        counts = Counter((sample.split, sample.label) for sample in kept)
        assert {counts[split, "real"] for split in ("train", "val", "test")} == {3}
        assert {counts[split, "fake"] for split in ("train", "val", "test")} == {2}

    def test_without_a_limit_all_stay(self, dataset):
        assert limit_per_split(dataset.samples, None) == dataset.samples
