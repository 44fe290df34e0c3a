"""Check that a run has the human maps that its objective needs, and repeat what the shortcut audit warned of.

Without a map the map term is 0 in every step, and the run would be plain cross-entropy under another name: it
is refused. Where labels can be told by what is not the face, a detector may have learned that instead.
The cautions stay with the run: in run.json, in its events, in tables and reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from training.config import BlurOutside, RunConfig
from training.data.audit import stored_audit
from training.data.dataset import DatasetFolder
from training.errors import DatasetError


@dataclass(frozen=True, slots=True)
class MapCounts:
    """How many training images have a map, by label."""

    images: int
    real: int
    """Real images whose map is used."""
    fake: int
    flat: int = 0
    """Maps with one value everywhere; 0 before maps are read."""
    before_keep_rate: int = 0
    """Maps before `keep_rate` removed some."""

    @property
    def maps(self) -> int:
        return self.real + self.fake


def cautions(run: RunConfig, counts: MapCounts) -> tuple[str, ...]:
    """One sentence for each reason why the maps of this run can teach it little; usually empty.

    `DatasetError`: the objective needs maps and there are none, or `shuffled` has only one
    """
    if not run.objective.needs_maps:
        return ()
    _require_maps(run, counts)
    return tuple(_sentences(run, counts))


def shortcut_cautions(dataset: DatasetFolder) -> tuple[str, ...]:
    """The warnings of the audit that was made when the dataset was frozen; none where it was not audited."""
    audit = stored_audit(dataset)
    return () if audit is None else tuple(audit.warnings)


def _require_maps(run: RunConfig, counts: MapCounts) -> None:
    name, maps, images = run.objective.name, counts.maps, counts.images
    if not maps and counts.before_keep_rate:
        rate = getattr(run.objective, "keep_rate", 1.0)
        raise DatasetError(
            f"keep_rate {rate:g} keeps none of {counts.before_keep_rate} maps; {name} needs some."
        )
    if not maps:
        raise DatasetError(
            f"The objective {name} compares with maps, and none of {images} training images has one that "
            "says something: train cross_entropy, or freeze a dataset with maps."
        )
    if run.maps == "shuffled" and counts.before_keep_rate < 2:
        raise DatasetError('maps = "shuffled" needs maps of two images at least; this dataset has one.')


def _sentences(run: RunConfig, counts: MapCounts) -> Sequence[str]:
    sentences = []
    maps, images = counts.maps, counts.images
    if maps * run.batch_size < images:
        sentences.append(f"Only {maps} of {images} training images have a map: less than one in a batch.")
    if not counts.real or not counts.fake:
        label = "real" if counts.real else "fake"
        sentences.append(f"Only {label} images have a map, {maps} of {images} training images.")
    if counts.flat == maps and run.maps != "uniform":
        sentences.append("Every map is the same all over its image and points nowhere.")
    if isinstance(run.objective, BlurOutside) and maps < images:
        sentences.append(
            f"{images - maps} of {images} training images have no map and stay sharp, which may tell labels."
        )
    return sentences
