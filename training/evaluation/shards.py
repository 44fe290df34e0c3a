"""Evaluation of sets of any size: in parts that are kept on disk, shared out over jobs, and put together.

A part is a run of images of the split; which one it is does not depend on how many jobs there are. So an
evaluation that was killed goes on with the first missing part, with as many jobs as one likes.
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

from training.data.dataset import Dataset, Sample
from training.errors import RecipeError
from training.evaluation.evaluate import Examiner, Looks, Scores, assess
from training.events import Heartbeat
from training.files import write_bytes

PART: Final = 4096
"""Images of a part: some seconds of a GPU, some minutes of a CPU."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Which parts a job does: every `of`-th, from the `number`-th on, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`i/n` as a command has it."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise RecipeError(f"A shard is i/n with i from 1 to n, such as 2/8, not {text!r}.")
        return cls(int(number), int(of))

    def has(self, part: int) -> bool:
        """Whether the part, counted from 0, is this job's."""
        return part % self.of == self.number - 1


@dataclass(frozen=True)
class Parts:
    """The parts of one split of one dataset, before one network."""

    examiner: Examiner
    dataset: Dataset
    samples: Sequence[Sample]
    folder: Path
    checkpoint: Path
    """What the network's weights come from; parts of other weights are not mixed in."""

    @property
    def count(self) -> int:
        return -(-len(self.samples) // PART)

    @cached_property
    def home(self) -> Path:
        """The folder of the parts; its name tells what they are parts of."""
        digest = hashlib.sha256(self.checkpoint.read_bytes())
        ids = [sample.image_id for sample in self.samples]
        looks = (self.examiner.cam_class, self.examiner.backbone.cam_tensor, self.examiner.backbone.expects)
        digest.update(repr((self.dataset.id, ids, looks, PART)).encode())
        return self.folder / f".parts-{digest.hexdigest()[:16]}"

    def of(self, part: int) -> Sequence[Sample]:
        return self.samples[part * PART : (part + 1) * PART]

    def missing(self) -> list[int]:
        """The parts that nobody has done yet."""
        return [part for part in range(self.count) if not _path(self.home, part).is_file()]

    def work(self, shard: Shard, *, what: str) -> Iterator[Heartbeat]:
        """Do those missing parts that are this job's."""
        total = len(self.samples)
        for part in (part for part in self.missing() if shard.has(part)):
            for outcome in assess(self.examiner, self.dataset, self.of(part), what=what, of=total):
                if isinstance(outcome, tuple):
                    _write(_path(self.home, part), *outcome)
                    continue
                done = (outcome.done or 0) + part * PART
                yield outcome.model_copy(update={"done": done, "total": total})

    def merged(self) -> tuple[Scores, Looks]:
        """All parts as one; each of them is there."""
        read = [_read(_path(self.home, part)) for part in range(self.count)]
        logits, cams, human, entropies = (np.concatenate(arrays) for arrays in zip(*read, strict=True))
        return Scores(tuple(self.samples), logits), Looks(cams, human, entropies)

    def forget(self) -> None:
        """Remove the parts, once what they make together is written."""
        shutil.rmtree(self.home, ignore_errors=True)


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _path(home: Path, part: int) -> Path:
    return home / f"{part:06d}.npz"


def _write(path: Path, scores: Scores, looks: Looks) -> None:
    content = io.BytesIO()
    has_map = ~np.isnan(looks.human).any(axis=(1, 2))
    np.savez(
        content,
        logits=scores.logits,
        cams=looks.cams,
        has_map=has_map,
        human=looks.human[has_map],
        entropies=looks.entropies,
    )
    write_bytes(path, content.getvalue())


def _read(path: Path) -> Arrays:
    with np.load(path) as stored:
        cams, has_map = stored["cams"], stored["has_map"]
        human = np.full(cams.shape, np.nan, np.float32)
        human[has_map] = stored["human"]
        return stored["logits"], cams, human, stored["entropies"]
