"""Training without one generator, whose images are then met in the test split alone. No torch.

A detector is judged on generators that it has never met: leave out one, and test on it.
"""

from collections.abc import Iterable, Sequence

from training.data.dataset import DatasetFolder, Sample
from training.errors import DatasetError

LEARNED_FROM = ("train", "extra", "val")
"""Splits that a generator is left out of; the test split keeps all of its images."""


def without(samples: Iterable[Sample], source: str) -> Sequence[Sample]:
    """The samples but the fake ones of this source; all of them for an empty name."""
    return tuple(one for one in samples if not source or one.label == "real" or one.source != source)


def generators_learned_from(dataset: DatasetFolder) -> tuple[str, ...]:
    """The sources of fake images that training or validation has, by name."""
    return tuple(sorted({one.source for one in dataset.of(*LEARNED_FROM) if one.label == "fake"}))


def require_left_out(dataset: DatasetFolder, source: str, train_splits: Sequence[str]) -> None:
    """`DatasetError` unless this source is a generator that is learned from, and is not the only one.

    source : an empty name leaves out nothing
    train_splits : of the run
    """
    if not source:
        return
    learned = generators_learned_from(dataset)
    known = f"the generators in training and validation are {', '.join(learned) or 'none'}"
    if source not in learned:
        labels = {one.label for one in dataset.samples if one.source == source}
        reason = {
            frozenset(): "the dataset has no such source",
            frozenset({"real"}): "it is a source of real images",
        }.get(frozenset(labels), "it is in the test split alone, so nothing is learned from it")
        raise DatasetError(f"{source} cannot be left out: {reason}; {known}.")
    for splits in (tuple(train_splits), ("val",)):
        fakes = [one for one in dataset.of(*splits) if one.label == "fake"]
        if fakes and all(one.source == source for one in fakes):
            where = " and ".join(splits)
            raise DatasetError(f"{source} cannot be left out: no other fake image is in {where}; {known}.")
