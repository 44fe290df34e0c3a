"""Which training images of a run people were shown as a pair. No torch."""

from collections.abc import Sequence

from training.config import RunConfig
from training.data.dataset import DatasetFolder, Sample
from training.errors import DatasetError


def pairs_of(run: RunConfig, dataset: DatasetFolder, samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Positions of the real and the fake image of each pair that the batches of a run keep together.

    None where a run shuffles its images one by one.

    samples : the training images
    `DatasetError`: the run wants pairs, and no two training images are one
    """
    if run.batches == "shuffled":
        return []
    place = {sample.image_id: at for at, sample in enumerate(samples)}
    pairs = [
        (place[pair.real], place[pair.fake])
        for pair in dataset.pairs
        if pair.real in place and pair.fake in place
    ]
    if not pairs:
        reason = (
            f"of its {len(dataset.pairs)} pairs none has both images in training"
            if dataset.pairs
            else "it keeps no pairs; a dataset that is frozen of a study does"
        )
        raise DatasetError(f'The dataset {dataset.root} makes no batches = "pairs": {reason}.')
    return pairs


def pair_cautions(run: RunConfig, dataset: DatasetFolder, samples: Sequence[Sample]) -> tuple[str, ...]:
    """A sentence where most training images have no partner to share a batch with; usually none."""
    paired = {at for pair in pairs_of(run, dataset, samples) for at in pair}
    if not paired or 2 * len(paired) >= len(samples):
        return ()
    return (f"Only {len(paired)} of {len(samples)} training images have a partner among them.",)
