import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from training.config import AUGMENTATIONS, Augmentation
from training.data.augment import AugmentationDraws, augment, blur, blur_outside, compress, draw, mirror


def pictures(n=3, side=24):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator)


def drawn(settings, n=4000, seed=0):
    return draw(settings, n, torch.Generator().manual_seed(seed))


class TestDraw:
    def test_half_of_the_images_are_blurred_half_compressed(self):
        draws = drawn(AUGMENTATIONS["wang"])
        assert (draws.sigma > 0).double().mean() == pytest.approx(0.5, abs=0.03)
        assert (draws.quality > 0).double().mean() == pytest.approx(0.5, abs=0.03)
        assert ((draws.sigma > 0) & (draws.quality > 0)).double().mean() == pytest.approx(0.25, abs=0.03)

    def test_the_ranges_are_those_asked_for(self):
        draws = drawn(Augmentation(blur=1, jpeg=1, jpeg_quality=(30, 32)))
        assert 0 < draws.sigma.min() < 0.01
        assert 2.99 < draws.sigma.max() < 3
        assert set(draws.quality.tolist()) == {30, 31, 32}

    def test_nothing_is_drawn_for_none(self):
        draws = drawn(Augmentation())
        assert not torch.stack([draws.sigma.bool(), draws.quality.bool(), draws.mirrored]).any()


class TestSeveralCompressions:
    def test_one_two_and_three_are_equally_frequent(self):
        draws = drawn(AUGMENTATIONS["three_jpegs"])
        times = (draws.quality > 0).long() + (draws.again > 0).sum(dim=1)
        shares = torch.bincount(times, minlength=4).double() / len(times)
        assert shares.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6], abs=0.03)

    def test_what_one_compression_draws_stays_as_it_is(self):
        once, often = drawn(AUGMENTATIONS["wang"]), drawn(AUGMENTATIONS["three_jpegs"])
        assert once.again is None
        assert (once.quality == often.quality).all()
        assert (once.mirrored == often.mirrored).all()

    def test_they_follow_one_another(self):
        none, first, second = torch.zeros(3), torch.tensor([90, 0, 50]), torch.tensor([[40], [0], [0]])
        found = augment(pictures(), AugmentationDraws(none, first, none.bool(), second))
        assert (found == compress(compress(pictures(), first), second[:, 0])).all()
        assert (found[1] == pictures()[1]).all()


class TestBlurOutside:
    def maps(self, n=3, side=24):
        return torch.rand(n, side, side, generator=torch.Generator().manual_seed(1))

    @pytest.mark.parametrize("sigma", [0.7, 8.0, 60.0])
    def test_it_is_the_mixture_with_scipys_blur(self, sigma):
        images, human = pictures(), self.maps()
        found = blur_outside(images, human, torch.ones(3, dtype=torch.bool), sigma=sigma)
        sharp, share = images.double().numpy(), human.double().numpy()[:, None]
        smooth = gaussian_filter(sharp, (0, 0, sigma, sigma), mode="reflect", truncate=4)
        wanted = share * sharp + (1 - share) * smooth
        assert np.abs(found.numpy() - wanted).max() < 0.51
        assert found.dtype == torch.uint8

    def test_paint_stays_and_the_rest_is_blurred(self):
        images, human = pictures(), torch.zeros(3, 24, 24)
        human[:, :12] = 1
        found = blur_outside(images, human, torch.ones(3, dtype=torch.bool), sigma=3)
        assert (found[:, :, :12] == images[:, :, :12]).all()
        assert (found[:, :, 12:] == blur(images, torch.full((3,), 3.0))[:, :, 12:]).all()

    def test_an_image_without_a_map_stays_as_it_is(self):
        images, human = pictures(), torch.full((3, 24, 24), torch.nan)
        human[1] = 0
        found = blur_outside(images, human, torch.tensor([False, True, False]), sigma=3)
        assert (found == images).flatten(1).all(1).tolist() == [True, False, True]


class TestBlur:
    @pytest.mark.parametrize("sigma", [0.3, 1.0, 2.9, 8.0])
    def test_it_is_scipys(self, sigma):
        images = pictures()
        ours = blur(images, torch.full((3,), sigma, dtype=torch.float64)).numpy().astype(float)
        theirs = gaussian_filter(images.numpy().astype(float), sigma=(0, 0, sigma, sigma), mode="reflect")
        assert np.abs(ours - theirs).max() <= 0.5 + 1e-3

    def test_each_image_has_its_own(self):
        images = pictures()
        together = blur(images, torch.tensor([0.0, 0.5, 3.0], dtype=torch.float64))
        alone = blur(images[1:2], torch.tensor([0.5], dtype=torch.float64))
        assert torch.equal(together[0], images[0])
        assert torch.equal(together[1], alone[0])

    def test_an_even_image_stays(self):
        even = torch.full((1, 3, 9, 9), 77, dtype=torch.uint8)
        assert torch.equal(blur(even, torch.tensor([3.0], dtype=torch.float64)), even)


class TestCompress:
    def test_it_is_opencvs(self):
        images = pictures(1)
        bgr = cv2.cvtColor(images[0].permute(1, 2, 0).numpy(), cv2.COLOR_RGB2BGR)
        coded = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
        theirs = cv2.cvtColor(coded, cv2.COLOR_BGR2RGB)
        assert np.array_equal(compress(images, torch.tensor([40]))[0].permute(1, 2, 0).numpy(), theirs)

    def test_zero_leaves_an_image_as_it_is(self):
        images = pictures(2)
        both = compress(images, torch.tensor([0, 30]))
        assert torch.equal(both[0], images[0])
        assert not torch.equal(both[1], images[1])


class TestMirror:
    def test_images_and_maps_turn_together(self):
        chosen = torch.tensor([True, False, True])
        images, maps = pictures(), torch.rand(3, 4, 4)
        assert torch.equal(mirror(images, chosen)[0], images[0].flip(-1))
        assert torch.equal(mirror(maps, chosen), torch.stack([maps[0].flip(-1), maps[1], maps[2].flip(-1)]))


class TestAugment:
    def test_an_image_does_not_depend_on_its_batch(self):
        images, draws = pictures(6), drawn(AUGMENTATIONS["wang"], n=6)
        whole = augment(images, draws)
        index = torch.tensor([4, 1])
        assert torch.equal(augment(images[index], draws.of(index)), whole[index])

    def test_the_original_is_not_changed(self):
        images = pictures()
        before = images.clone()
        always = AugmentationDraws(
            torch.ones(3, dtype=torch.float64), torch.full((3,), 50), torch.ones(3, dtype=torch.bool)
        )
        assert not torch.equal(augment(images, always), images)
        assert torch.equal(images, before)
