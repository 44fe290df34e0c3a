"""Evaluate a split of any size in parts: kept on disk, shared by several jobs, and merged at the end.

A part is a range of images of the split. Its limits do not depend on the number of jobs, so an interrupted
evaluation continues with the missing parts, with any number of jobs.
"""

import hashlib
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from training.data.dataset import DatasetFolder, Sample
from training.errors import RecipeError
from training.evaluation.evaluator import Evaluator, SplitLogits, SplitMaps, evaluate_samples
from training.events import HeartbeatEvent
from training.files import write_bytes

PART: Final = 4096
"""Images of a part: some seconds of a GPU, some minutes of a CPU."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The parts of one job: every `of`-th part from the `number`-th on, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `i/n`; `RecipeError` for anything else."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise RecipeError(f"A shard is i/n with i from 1 to n, such as 2/8, not {text!r}.")
        return cls(int(number), int(of))

    def has(self, part: int) -> bool:
        """Whether the part, counted from 0, is this job's."""
        return part % self.of == self.number - 1


@dataclass(frozen=True)
class EvaluationParts:
    """The parts of one split, evaluated with one network."""

    evaluator: Evaluator
    dataset: DatasetFolder
    samples: Sequence[Sample]
    folder: Path
    checkpoint: Path
    """The file of the network's weights; parts of other weights are not mixed in."""

    @property
    def count(self) -> int:
        return -(-len(self.samples) // PART)

    @cached_property
    def home(self) -> Path:
        """The folder of the parts, named by a hash of weights, images and settings."""
        digest = hashlib.sha256(self.checkpoint.read_bytes())
        ids = [sample.image_id for sample in self.samples]
        backbone = self.evaluator.backbone
        of_maps = (self.evaluator.cam_class, backbone.cam_tensor, backbone.model_map)
        of_network = (
            backbone.network_input.as_record(),
            self.evaluator.precision,
            self.evaluator.folded_layers,
        )
        settings = (*of_maps, *of_network)
        digest.update(repr((self.dataset.id, ids, settings, PART)).encode())
        return self.folder / f".parts-{digest.hexdigest()[:16]}"

    def of(self, part: int) -> Sequence[Sample]:
        return self.samples[part * PART : (part + 1) * PART]

    def missing(self) -> list[int]:
        """The numbers of the parts that no job has written yet."""
        return [part for part in range(self.count) if not _path(self.home, part).is_file()]

    def evaluate(self, shard: Shard, *, what: str) -> Iterator[HeartbeatEvent]:
        """Evaluate and write the missing parts of this shard."""
        total = len(self.samples)
        for part in (part for part in self.missing() if shard.has(part)):
            for outcome in evaluate_samples(self.evaluator, self.dataset, self.of(part), what=what, of=total):
                if isinstance(outcome, tuple):
                    _write(_path(self.home, part), *outcome)
                    continue
                done = (outcome.done or 0) + part * PART
                yield outcome.model_copy(update={"done": done, "total": total})

    def merged(self) -> tuple[SplitLogits, SplitMaps]:
        """The whole split; `FileNotFoundError` if a part is missing."""
        read = [_read(_path(self.home, part)) for part in range(self.count)]
        logits, cams, human, entropies = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        return SplitLogits(tuple(self.samples), logits), SplitMaps(cams, human, entropies)

    def remove(self) -> None:
        """Delete the parts, after the merged result is written."""
        shutil.rmtree(self.home, ignore_errors=True)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _path(home: Path, part: int) -> Path:
    return home / f"{part:06d}.npz"


def _write(path: Path, scores: SplitLogits, maps: SplitMaps) -> None:
    content = io.BytesIO()
    has_map = ~np.isnan(maps.human).any(axis=(1, 2))
    np.savez(
        content,
        logits=scores.logits,
        cams=maps.cams,
        has_map=has_map,
        human=maps.human[has_map],
        entropies=maps.entropies,
    )
    write_bytes(path, content.getvalue())


def _read(path: Path) -> Arrays:
    with np.load(path) as stored:
        cams, has_map = stored["cams"], stored["has_map"]
        human = np.full(cams.shape, np.nan, np.float32)
        human[has_map] = stored["human"]
        return stored["logits"], cams, human, stored["entropies"]
