"""A grid of runs: what would be done, whether it can be begun, and doing all of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from training.config import Recipe, RunConfig, is_file
from training.errors import ModelError, in_words
from training.estimate import Estimate, calibrate, counts_of, estimate, speeds_of_tables
from training.events import Finished

FitOne = Callable[[RunConfig], Finished | None]


@dataclass(slots=True)
class Outcome:
    """How the runs of a grid ended; a run that was never begun is in neither."""

    finished: dict[str, Finished] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def changed(recipe: Recipe, changes: dict[str, object], seeds: int | None) -> list[RunConfig]:
    """The runs of a recipe with other settings, and only its first so many seeds."""
    kept = recipe.seeds[:seeds]
    grid = [run for run in recipe.runs() if run.seed in kept]
    return [RunConfig.model_validate({**dict(run), **changes}) for run in grid]


def require_possible(grid: list[RunConfig], data: Path) -> None:
    """Find out before the first run has trained for hours that the last one cannot begin.

    Looks at splits, maps, names of architectures, tensors of maps, devices and whether weights can be had.
    """
    from training.data.dataset import load_dataset
    from training.engine.device import pick_device
    from training.engine.setup import expected_cautions, require_splits
    from training.model.backbones import require_known
    from training.model.cam_tensor import require_released
    from training.model.weights import require_weights
    from training.run import require_processes

    dataset = load_dataset(data)
    for run in grid:
        require_splits(run, dataset)
        expected_cautions(run, dataset)
        require_processes(run)
        if run.cam_tensor == "released":
            require_released(run.architecture)
    for architecture, weights, device in dict.fromkeys((r.architecture, r.weights, r.device) for r in grid):
        require_known(architecture)
        pick_device(device)
        require_weights(architecture, weights)


def fit_all(grid: list[RunConfig], fit_one: FitOne, *, stop_at_failure: bool) -> Outcome:
    """Do every run, one after the other; one that fails does not keep the others from being done.

    Of several processes that share the runs, one that fails leaves the others waiting: then all stop.
    """
    from training.engine import distributed

    outcome = Outcome()
    for run in grid:
        try:
            event = fit_one(run)
        except Exception as error:
            if distributed.processes() > 1:
                raise
            outcome.failed[run.name] = in_words(error)
        else:
            if event is not None:
                outcome.finished[run.name] = event
        if outcome.failed and stop_at_failure:
            break
    return outcome


def plan(recipe: Recipe, grid: list[RunConfig], data: Path | None, *, measure: bool) -> Iterator[str]:
    """The runs of a grid and how long they may take, line by line.

    data : whose images are counted; those of the paper without one
    measure : time each architecture here instead of looking its speed up
    """
    for run in grid:
        yield f"{run.name}  {_how(run)}"
    yield f"{recipe.name}: {len(grid)} runs"
    if data is not None:
        yield from _cautions(grid, data)
    counts, whose = counts_of(data)
    for speeds, basis in [calibrate(grid)] if measure else speeds_of_tables():
        yield basis
        yield from _told(estimate(grid, counts, speeds), whose)
    if not measure:
        yield "--calibrate measures this device instead."


def _cautions(grid: list[RunConfig], data: Path) -> Iterator[str]:
    """What the dataset's table says of the maps of these runs, each sentence once."""
    from training.data.dataset import load_dataset
    from training.engine.setup import expected_cautions

    dataset = load_dataset(data)
    found = Counter(sentence for run in grid for sentence in expected_cautions(run, dataset))
    for sentence, count in found.items():
        yield f"caution, {count} of {len(grid)} runs: {sentence}"


def _how(run: RunConfig) -> str:
    several = f", {run.devices} devices" if run.devices > 1 else ""
    return (
        f"{run.epochs} epochs, batch {run.batch_size}, weights {_weights(run.architecture, run.weights)}, "
        f"resize {run.resize}, cam_tensor {run.cam_tensor}{several}"
    )


@cache
def _weights(architecture: str, weights: str) -> str:
    """By the name of the very weights; as the recipe has them where there are none of that name."""
    from training.model.weights import pretrained_name

    try:
        return weights if weights == "none" or is_file(weights) else pretrained_name(architecture, weights)
    except ModelError:
        return weights


def _told(found: Estimate, whose: str) -> Iterator[str]:
    for architecture, hours in found.hours.items():
        speed = found.speeds[architecture]
        yield (
            f"  {architecture}: {hours:.1f} h at {speed.learning:.0f} images/s to learn from, "
            f"{speed.seeing:.0f} to look at, {speed.scoring:.0f} to score"
        )
    for architecture in found.unknown:
        yield f"  {architecture}: not in the table; --calibrate measures it here"
    if found.hours:
        yield f"  together: {found.total:.1f} h on one device, for {whose}"
