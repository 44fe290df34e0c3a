import pytest
import torch

from tests.training.test_run import config
from training.data.augment import AugmentationDraws, blur_outside
from training.data.dataset import load_dataset
from training.engine.setup import prepare


def prepared(data, **changes):
    """The setup of a run, after its heartbeats."""
    steps = prepare(config(**changes), load_dataset(data))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def mirroring(n):
    return AugmentationDraws(torch.zeros(n), torch.zeros(n).long(), torch.ones(n).bool())


class TestBlurOfWhatIsNotPainted:
    @pytest.mark.parametrize("maps", ["human", "shuffled", "ellipse"])
    def test_training_images_are_blurred_by_the_maps_of_the_run(self, data, maps):
        setup = prepared(data, objective={"name": "blur", "sigma": 4}, maps=maps)
        train, index = setup.train, torch.arange(6)
        wanted = blur_outside(train.images[:6], train.human[:6], train.present[:6], sigma=4)
        assert torch.equal(setup.training_batch(index).images, wanted)
        assert train.present[:2].tolist() == [False, True]
        assert torch.equal(wanted[0], train.images[0])  # it has no map
        assert not torch.equal(wanted[1], train.images[1])

    def test_the_paint_stays_sharp(self, data):
        setup = prepared(data, objective={"name": "blur", "sigma": 4})
        painted = setup.train.human[1] == 1
        found = setup.training_batch(torch.tensor([1])).images[0]
        assert 0 < painted.sum() < painted.numel()
        assert torch.equal(found[:, painted], setup.train.images[1][:, painted])

    def test_the_map_moves_with_a_mirrored_image(self, data):
        setup = prepared(data, objective={"name": "blur", "sigma": 4}, augmentation={"flip": 1})
        index = torch.arange(6)
        plain, mirrored = (
            setup.training_batch(index),
            setup.training_batch(index, mirroring(len(setup.train))),
        )
        assert torch.equal(mirrored.images, plain.images.flip(-1))
        assert torch.equal(mirrored.human[1:], plain.human[1:].flip(-1))

    def test_validation_images_are_never_blurred(self, data):
        setup = prepared(data, objective="blur")
        assert torch.equal(setup.batch(setup.val, torch.arange(8)).images, setup.val.images)

    def test_images_without_a_map_are_a_caution(self, data):
        assert prepared(data, objective="blur").cautions == (
            "1 of 16 training images have no map and stay sharp, which may tell labels.",
        )

    def test_other_objectives_see_the_images_as_they_are(self, data):
        setup = prepared(data)
        assert torch.equal(setup.training_batch(torch.arange(4)).images, setup.train.images[:4])
