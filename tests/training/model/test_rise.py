import numpy as np
import torch

from training.model.rise import RiseSettings, masks, rise

SMALL = RiseSettings(masks=70, grid=3, seed=5)


def all_masks(settings, side=16):
    return torch.cat(list(masks(settings, side))).numpy()


class TestMasks:
    def test_there_are_as_many_as_asked_of_the_size_of_the_image_within_0_and_1(self):
        found = all_masks(SMALL)
        assert found.shape == (70, 16, 16)
        assert found.min() >= 0
        assert found.max() <= 1

    def test_they_are_those_of_the_seed(self):
        assert np.array_equal(all_masks(SMALL), all_masks(SMALL))
        assert not np.array_equal(all_masks(SMALL), all_masks(RiseSettings(masks=70, grid=3, seed=6)))

    def test_they_show_the_share_that_was_asked_for_everywhere(self):
        mean = all_masks(RiseSettings(masks=3000, grid=4, share=0.3)).mean(axis=0)
        assert np.abs(mean - 0.3).max() < 0.04

    def test_a_mask_of_one_cell_is_all_or_nothing_inside(self):
        assert set(np.unique(all_masks(RiseSettings(masks=8, grid=1)))) == {0.0, 1.0}


class TestWeightedMean:
    def test_it_is_that_of_numpy(self):
        """S(x) = sum of score times mask over N p, written out image by image and mask by mask."""
        rng = np.random.default_rng(0)
        images = rng.normal(size=(2, 3, 16, 16)).astype(np.float32)
        direction = rng.normal(size=(3, 16, 16)).astype(np.float32)
        shown = all_masks(SMALL)
        wanted = np.zeros((2, 16, 16))
        for number, image in enumerate(images):
            for mask in shown:
                wanted[number] += np.tanh((image * mask * direction).mean()) * mask
        wanted /= len(shown) * SMALL.share
        score = lambda masked: torch.tanh((masked * torch.from_numpy(direction)).mean(dim=(1, 2, 3)))  # noqa: E731
        np.testing.assert_allclose(rise(score, torch.from_numpy(images), SMALL).numpy(), wanted, atol=1e-5)

    def test_what_the_score_depends_on_is_salient(self):
        image = torch.ones(1, 3, 16, 16)
        found = rise(lambda masked: masked[:, 0, 2:6, 2:6].mean(dim=(1, 2)), image, RiseSettings(500, 4))
        place = np.unravel_index(int(found[0].argmax()), (16, 16))
        assert max(place) <= 6
