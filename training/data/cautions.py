"""Whether a run has the human maps that its objective compares with: none is refused, few are said.

An objective whose map term never finds a map is cross-entropy with another weight under a name that claims
more. What is said here stays with the run: in run.json, in its events, in tables and reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training.config import RunConfig
from training.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Supply:
    """What a run's training images have of maps."""

    images: int
    real: int
    """Real images with a map that is used."""
    fake: int
    flat: int = 0
    """Maps that are one value everywhere, as far as that is known."""
    given: int = 0
    """Maps before `keep_rate` took some away."""

    @property
    def maps(self) -> int:
        return self.real + self.fake


def cautions(run: RunConfig, supply: Supply) -> tuple[str, ...]:
    """A sentence for each thing that leaves the maps of this run little to say; empty as a rule.

    `DatasetError`: the objective compares with maps and there is none, or `shuffled` has only one.
    """
    if not run.objective.needs_maps:
        return ()
    _require_maps(run, supply)
    return tuple(_little(run, supply))


def _require_maps(run: RunConfig, supply: Supply) -> None:
    name, maps, images = run.objective.name, supply.maps, supply.images
    if not maps and supply.given:
        kept = getattr(run.objective, "keep_rate", 1.0)
        raise DatasetError(f"keep_rate {kept:g} keeps none of {supply.given} maps; {name} needs some.")
    if not maps:
        raise DatasetError(
            f"The objective {name} compares with maps, and none of {images} training images has one that "
            "says something: train cross_entropy, or freeze a dataset with maps."
        )
    if run.maps == "shuffled" and supply.given < 2:
        raise DatasetError('maps = "shuffled" needs maps of two images at least; this dataset has one.')


def _little(run: RunConfig, supply: Supply) -> Sequence[str]:
    said = []
    maps, images = supply.maps, supply.images
    if maps * run.batch_size < images:
        said.append(f"Only {maps} of {images} training images have a map: less than one in a batch.")
    if not supply.real or not supply.fake:
        label = "real" if supply.real else "fake"
        said.append(f"Only {label} images have a map, {maps} of {images} training images.")
    if supply.flat == maps and run.maps != "uniform":
        said.append("Every map is the same all over its image and points nowhere.")
    return said
