"""Plan, check and train a grid of runs."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from training.config import PRETRAINED, Recipe, RunConfig, explain
from training.errors import ModelError, RecipeError, in_words
from training.estimate import TimeEstimate, calibrate, estimate, image_counts, speeds_of_tables
from training.events import FinishedEvent

FitOne = Callable[[RunConfig], FinishedEvent | None]


@dataclass(slots=True)
class GridOutcome:
    """How the runs of a grid ended; a run that was not started is in neither dictionary."""

    finished: dict[str, FinishedEvent] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def leaving_one_out(recipe: Recipe, data: Path) -> Recipe:
    """The recipe with its grid once more without each generator that the dataset has for learning."""
    from training.data.dataset import load_dataset
    from training.data.left_out import generators_learned_from

    generators = generators_learned_from(load_dataset(data))
    return Recipe.model_validate({**dict(recipe), "leave_out": generators})


def until_dates(recipe: Recipe, dates: Sequence[str], released: Sequence[str]) -> Recipe:
    """The recipe with its grid once more for each date, on the generators that were released until then.

    released : more release dates, `NAME=DATE`
    `RecipeError`: one of them is no date, or names no generator
    """
    if wrong := [one for one in released if not all(one.partition("="))]:
        raise RecipeError(f"A release date is given as NAME=DATE, not {wrong[0]!r}.")
    known = recipe.released | {name: when for name, _, when in (one.rpartition("=") for one in released)}
    try:
        return Recipe.model_validate(
            {**dict(recipe), "released": known, "train_until": [*recipe.train_until, *dates]}
        )
    except ValidationError as error:
        raise RecipeError(explain(error)) from None


def with_changes(recipe: Recipe, changes: dict[str, object], seeds: int | None) -> list[RunConfig]:
    """The runs of a recipe with some settings replaced, for its first `seeds` seeds; None = all seeds."""
    used_seeds = recipe.seeds[:seeds]
    grid = [run for run in recipe.runs() if run.seed in used_seeds]
    return [RunConfig.model_validate({**dict(run), **changes}) for run in grid]


def require_possible(grid: list[RunConfig], data: Path) -> None:
    """Check every run of a grid before the first one starts, so that the last cannot fail after hours.

    `TrainingError`: a split, maps, an architecture, a tensor, a device or weights do not exist
    """
    from training.data.dataset import load_dataset
    from training.engine.device import pick_device
    from training.engine.pretraining import require_maps_to_learn
    from training.engine.setup import expected_cautions, require_splits
    from training.model.backbones import require_known
    from training.model.cam_tensor import require_released
    from training.model.weights import require_weights
    from training.run import require_processes

    dataset = load_dataset(data)
    for run in grid:
        require_splits(run, dataset)
        expected_cautions(run, dataset)
        require_maps_to_learn(run, dataset)
        require_processes(run)
        if run.cam_tensor == "released":
            require_released(run.architecture)
    for architecture, weights, device in dict.fromkeys((r.architecture, r.weights, r.device) for r in grid):
        require_known(architecture)
        pick_device(device)
        require_weights(architecture, weights)


def fit_all(grid: list[RunConfig], fit_one: FitOne, *, stop_at_failure: bool) -> GridOutcome:
    """Do every run, one after the other; one that fails does not keep the others from being done.

    Of several processes that share the runs, one that fails leaves the others waiting: then all stop.
    """
    from training.engine import distributed

    outcome = GridOutcome()
    for run in grid:
        try:
            event = fit_one(run)
        except Exception as error:
            if distributed.world_size() > 1:
                raise
            outcome.failed[run.name] = in_words(error)
        else:
            if event is not None:
                outcome.finished[run.name] = event
        if outcome.failed and stop_at_failure:
            break
    return outcome


def plan(recipe: Recipe, grid: list[RunConfig], data: Path | None, *, measure: bool) -> Iterator[str]:
    """The lines of `fit --dry-run`: the runs of a grid, cautions, and how long they may take.

    data : dataset folder whose images are counted; None counts those of the paper
    measure : time each architecture on this device instead of using the tables
    """
    for run in grid:
        yield f"{run.name}  {_settings_line(run)}"
    yield f"{recipe.name}: {len(grid)} runs"
    if data is not None:
        yield from _cautions(grid, data)
    counts, images = image_counts(data)
    for speeds, basis in [calibrate(grid)] if measure else speeds_of_tables():
        yield basis
        yield from _estimate_lines(estimate(grid, counts, speeds), images)
    if not measure:
        yield "--calibrate measures this device instead."


def _cautions(grid: list[RunConfig], data: Path) -> Iterator[str]:
    """The cautions of these runs, each sentence once, with its number of runs."""
    from training.data.dataset import load_dataset
    from training.data.selection import require_images
    from training.engine.setup import expected_cautions

    dataset = load_dataset(data)
    for run in grid:
        require_images(run, dataset)
    counts = Counter(sentence for run in grid for sentence in expected_cautions(run, dataset))
    for sentence, count in counts.items():
        yield f"caution, {count} of {len(grid)} runs: {sentence}"


def _settings_line(run: RunConfig) -> str:
    several = f", {run.devices} devices" if run.devices > 1 else ""
    pooling = f", pooling {run.pooling}" if run.pooling != "own" else ""
    shown = f", map {run.map}" if run.map != "cam" else ""
    frozen = f", freeze {run.freeze}" if run.freeze != "none" else ""
    before = f", pretrain {run.pretrain.method} on {run.pretrain.maps} maps" if run.pretrain else ""
    return (
        f"{run.epochs} epochs, batch {run.batch_size}, weights {_weights(run.architecture, run.weights)}, "
        f"resize {run.resize}, cam_tensor {run.cam_tensor}{pooling}{shown}{frozen}{before}{several}"
    )


@cache
def _weights(architecture: str, weights: str) -> str:
    """The full name of the weights; as the recipe has them where timm has none."""
    from training.model.weights import pretrained_name

    try:
        return pretrained_name(architecture, weights) if PRETRAINED.fullmatch(weights) else weights
    except ModelError:
        return weights


def _estimate_lines(time: TimeEstimate, images: str) -> Iterator[str]:
    for architecture, hours in time.hours.items():
        speed = time.speeds[architecture]
        yield (
            f"  {architecture}: {hours:.1f} h at {speed.training:.0f} images/s in training, "
            f"{speed.validation:.0f} in validation, {speed.scoring:.0f} in scoring"
        )
    for architecture in time.unknown:
        yield f"  {architecture}: not in the table; --calibrate measures it here"
    if time.hours:
        yield f"  together: {time.total:.1f} h on one device, for {images}"
