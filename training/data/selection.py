"""Which images a run learns from, and whether a dataset has what it asks for. No torch."""

from collections import Counter
from collections.abc import Sequence

from training.config import RunConfig
from training.data.dataset import DatasetFolder, Sample
from training.data.left_out import require_left_out, without
from training.data.pairing import pairs_of
from training.data.release_dates import released_until, require_released
from training.data.sample_weights import sample_weights


def training_samples(run: RunConfig, dataset: DatasetFolder) -> Sequence[Sample]:
    """The images that a run is trained on."""
    return _learned_from(run, dataset.of(*run.train_splits))


def validation_samples(run: RunConfig, dataset: DatasetFolder) -> Sequence[Sample]:
    """The images that choose the epoch of a run."""
    return _learned_from(run, dataset.of("val"))


def _learned_from(run: RunConfig, samples: Sequence[Sample]) -> Sequence[Sample]:
    """Without generators that the run leaves out, or that were released too late for it."""
    return limit_per_split(released_until(without(samples, run.leave_out), run), run.limit)


def limit_per_split(samples: Sequence[Sample], limit: int | None) -> Sequence[Sample]:
    """The first `limit` samples of each split, half of them real where there are enough; all for None."""
    if limit is None:
        return samples
    counts: Counter[tuple[str, str]] = Counter()
    chosen = []
    for sample in samples:
        kind = (sample.split, sample.label)
        # Of an odd limit, real images get the one more.
        if counts[kind] < (limit + (sample.label == "real")) // 2:
            counts[kind] += 1
            chosen.append(sample)
    return tuple(chosen)


def require_images(run: RunConfig, dataset: DatasetFolder) -> None:
    """`DatasetError` unless the dataset has the generators, pairs and judgements that the run asks for."""
    require_left_out(dataset, run.leave_out, run.train_splits)
    require_released(dataset, run)
    samples = training_samples(run, dataset)
    pairs_of(run, dataset, samples)
    sample_weights(run, dataset, samples)
