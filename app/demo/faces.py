"""A folder of drawn faces with its manifest: what a demonstration uses instead of people's pictures.

A world in which people's paint carries information, made as in docs/benchmark.md: every fake has an artefact
anywhere in its frame, and every fake that a detector learns from has a small mark elsewhere as well. In the
test, which has other generators and another camera, each face is there twice, without the mark and with it.
"""

import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np

from app.demo.artefacts import (
    CUE,
    MARK_SIDE,
    RADIUS,
    SEEN,
    UNSEEN,
    anywhere,
    away_from,
    photograph,
    spoil,
    tint_square,
)
from app.demo.canvas import Box
from app.demo.identity import Identity, Shot, invent, take
from app.demo.portrait import SIZE, portrait
from app.demo.regions import inside

CAMERA, OTHER_CAMERA = "drawn-camera", "drawn-other-camera"
"""Sources of the faces that stand for photographs: those that are learned from, and those of the test."""
MANIFEST: Final = "manifest.csv"
REGIONS: Final = "regions.csv"
JPEG_QUALITY: Final = 95
STRENGTH: Final = 56.0
"""Deviation of an artefact in grey levels: 48 as in the benchmark, and a seventh that shrinking takes."""
DRAWERS: Final = 2

Split = Literal["", "val", "test"]

SHARES: Final[tuple[tuple[Split, float], ...]] = (("val", 1 / 6), ("test", 1 / 3))
"""Of each class; the rest is judged by participants and trained on."""


@dataclass(frozen=True, slots=True)
class FaceSettings:
    """One face to draw."""

    name: str
    generator: str
    """Of `SEEN` or `UNSEEN`; nothing = a real face."""
    split: Split
    group: str
    person: Identity
    shot: Shot

    @property
    def label(self) -> str:
        return "fake" if self.generator else "real"

    @property
    def source(self) -> str:
        if self.generator:
            return f"drawn-{self.generator}"
        return OTHER_CAMERA if self.split == "test" else CAMERA

    @property
    def pictures(self) -> dict[str, bool]:
        """Paths of its pictures, and whether each has the mark."""
        if self.split == "test":
            return {f"images/{self.name}-plain.jpg": False, f"images/{self.name}-marked.jpg": True}
        return {f"images/{self.name}.jpg": self.label == "fake"}


@dataclass(frozen=True, slots=True)
class DrawnFace:
    """A face that is drawn; `artefact` is where it was spoiled."""

    order: FaceSettings
    artefact: Box | None


def draw_faces(out_dir: Path, *, count: int, seed: int, on_drawn: Callable[[], None] = lambda: None) -> Path:
    """Draw `count` faces, half of them fake, and write `manifest.csv` and `regions.csv` beside them.

    Everybody is drawn twice, in one split and one group. `regions.csv` says where the artefacts are: it is
    what simulated participants are told, and no part of the manifest. The same count and seed give the same
    pictures. Returns the manifest; it is written last, so a folder that has one is whole. `count` is
    rounded to a multiple of 4; at least 48, so that every split has every class.
    """
    if count < 48:
        raise ValueError(f"At least 48 faces are needed for three splits; {count} were asked for.")
    (out_dir / "images").mkdir(parents=True, exist_ok=True)
    drawn = []
    # Spawned, because a process that has threads (progress bars, a database pool) must not be forked.
    with ProcessPoolExecutor(
        DRAWERS, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        for face in pool.map(partial(_draw, out_dir), orders(count=count, seed=seed), chunksize=8):
            drawn.append(face)
            on_drawn()
    _write_regions(out_dir / REGIONS, drawn)
    _write_manifest(out_dir / MANIFEST, drawn)
    return out_dir / MANIFEST


def orders(*, count: int, seed: int) -> Iterator[FaceSettings]:
    """Two faces of each person, in an order that is independent of the label."""
    rng = np.random.default_rng(seed)
    plan = [*_generators("real", count // 4), *_generators("fake", count // 4)]
    for number, index in enumerate(rng.permutation(len(plan))):
        generator, split = plan[index]
        person = invent(rng)
        for letter in "ab":
            yield FaceSettings(
                name=f"{seed}-{count}-{number:04d}{letter}",
                generator=generator,
                split=split,
                group=f"drawn-{seed}-{number:04d}",
                person=person,
                shot=take(rng),
            )


def _generators(label: str, people: int) -> Iterator[tuple[str, Split]]:
    """Generator and split of each person of a class; the test has those that nobody learned from."""
    sizes = {split: round(people * share) for split, share in SHARES}
    training = people - sum(sizes.values())
    parts: list[tuple[Split, int]] = [("", training), *sizes.items()]
    for split, number in parts:
        names = [""] if label == "real" else list(UNSEEN if split == "test" else SEEN)
        yield from ((names[i % len(names)], split) for i in range(number))


def _draw(out_dir: Path, settings: FaceSettings) -> DrawnFace:
    rng = np.random.default_rng(settings.shot.seed)
    picture = portrait(settings.person, settings.shot, rng).finished().astype(np.float32)
    spot = anywhere(rng, radius=RADIUS, size=SIZE)
    artefact = None
    if settings.generator:
        texture, at = (SEEN | UNSEEN)[settings.generator], (float(spot[0]), float(spot[1]))
        artefact = _box(spoil(picture, at, texture, rng, radius=RADIUS, strength=STRENGTH))
    mark = away_from(rng, spot, radius=RADIUS, size=SIZE)
    camera = rng.integers(2**32)
    for path, marked in settings.pictures.items():
        copy = picture.copy()
        if marked:
            tint_square(copy, mark, side=MARK_SIDE, shift=CUE)
        shot = photograph(copy, np.random.default_rng(camera), strange=settings.split == "test")
        # Every picture goes through one encoder at one quality.
        encoded = cv2.imencode(".jpg", shot, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (out_dir / path).write_bytes(encoded.tobytes())
    return DrawnFace(settings, artefact)


def _box(region: tuple[float, float, float, float]) -> Box:
    """Whole pixels inside the picture."""
    x, y, w, h = inside(region, size=(SIZE, SIZE))
    return int(x), int(y), round(w), round(h)


def _write_manifest(path: Path, drawn: list[DrawnFace]) -> None:
    """Without face boxes: artefacts and marks are anywhere, and a crop would cut them off."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "source", "split", "group"])
        for settings in (face.order for face in drawn):
            writer.writerows(
                [p, settings.label, settings.source, settings.split, settings.group]
                for p in settings.pictures
            )


def _write_regions(path: Path, drawn: list[DrawnFace]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "x", "y", "w", "h"])
        for face in drawn:
            writer.writerows([p, *face.artefact] for p in face.order.pictures if face.artefact)


def read_regions(path: Path) -> dict[str, Box]:
    """The box of each fake's artefact, by the path in the manifest; empty without a file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["path"]: (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
            for row in csv.DictReader(file)
        }
