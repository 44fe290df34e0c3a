"""Training on generators released until a date; the test split keeps all of them. No torch.

A detector meets generators that did not exist when it was trained. A date is a year, a month or a day, and
stands for its last day, so that a generator counts as released when it surely was.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from typing import Final

from training.config import RunConfig
from training.data.dataset import DatasetFolder, Sample
from training.errors import DatasetError

LEARNED_FROM: Final = "until"
LATER: Final = "later"


def last_day(when: str) -> date:
    """Of a year, a month or a day such as 2019, 2019-12 or 2019-12-11."""
    year, *rest = (int(part) for part in when.split("-"))
    month = rest[0] if rest else 12
    return date(year, month, rest[1] if len(rest) > 1 else monthrange(year, month)[1])


def is_released(run: RunConfig, source: str) -> bool:
    """Whether a generator was released until the date of a run; all are where it has none."""
    return not run.train_until or last_day(run.released[source]) <= last_day(run.train_until)


def released_until(samples: Sequence[Sample], run: RunConfig) -> Sequence[Sample]:
    """The samples but the fake ones of generators that were released after the date of the run."""
    return tuple(one for one in samples if one.label == "real" or is_released(run, one.source))


def require_released(dataset: DatasetFolder, run: RunConfig) -> None:
    """`DatasetError` unless every generator has a date, and some are learned from and some are met later."""
    if not run.train_until:
        return
    fakes = [one for one in dataset.samples if one.label == "fake"]
    generators = sorted({one.source for one in fakes})
    if undated := [source for source in generators if source not in run.released]:
        raise DatasetError(
            f"train_until needs the release date of every generator, and [released] has none of "
            f"{', '.join(undated)}."
        )
    dated = ", ".join(f"{source} ({run.released[source]})" for source in generators)
    known = f"the generators are {dated or 'none'}"
    for splits in (run.train_splits, ("val",)):
        if not any(one.split in splits and is_released(run, one.source) for one in fakes):
            where = " and ".join(splits)
            raise DatasetError(f"train_until = {run.train_until} leaves {where} no fake image: {known}.")
    if not any(one.split == "test" and not is_released(run, one.source) for one in fakes):
        raise DatasetError(
            f"train_until = {run.train_until} leaves nothing to meet: no generator of the test split is "
            f"later; {known}."
        )
