"""A folder of drawn faces with its manifest: what a demonstration uses instead of people's pictures."""

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

from app.demo.canvas import Box
from app.demo.flaws import GENERATORS, HELD_OUT
from app.demo.identity import Identity, Shot, invent, take
from app.demo.portrait import portrait

CLEAN: Final = "drawn-clean"
"""The source of the faces that stand for photographs."""
MANIFEST: Final = "manifest.csv"
REGIONS: Final = "regions.csv"
JPEG_QUALITY: Final = 95
DRAWERS: Final = 2

Split = Literal["", "val", "test"]

SHARES: Final[tuple[tuple[Split, float], ...]] = (("val", 1 / 6), ("test", 1 / 3))
"""Of each class; the rest is judged by participants and trained on."""


@dataclass(frozen=True, slots=True)
class Order:
    """One picture to draw."""

    path: str
    source: str
    split: Split
    group: str
    person: Identity
    shot: Shot

    @property
    def label(self) -> str:
        return "real" if self.source == CLEAN else "fake"


@dataclass(frozen=True, slots=True)
class Drawn:
    order: Order
    face: Box
    flaw: Box | None


def draw_faces(out_dir: Path, *, count: int, seed: int, on_drawn: Callable[[], None] = lambda: None) -> Path:
    """Draw `count` faces, half of them flawed, and write `manifest.csv` and `regions.csv` beside them.

    Everybody is drawn in two pictures of one split and one group. `regions.csv` says where the flaws
    are: it is what simulated participants are told, and no part of the manifest. The same count and
    seed give the same faces. Returns the manifest; it is written last, so a folder that has one is
    whole. `count` is rounded to a multiple of 4; at least 48, so that every split has every class.
    """
    if count < 48:
        raise ValueError(f"At least 48 faces are needed for three splits; {count} were asked for.")
    (out_dir / "images").mkdir(parents=True, exist_ok=True)
    drawn = []
    # Spawned, because a process that has threads (progress bars, a database pool) must not be forked.
    with ProcessPoolExecutor(
        DRAWERS, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        for picture in pool.map(partial(_draw, out_dir), orders(count=count, seed=seed), chunksize=8):
            drawn.append(picture)
            on_drawn()
    _write_regions(out_dir / REGIONS, drawn)
    _write_manifest(out_dir / MANIFEST, drawn)
    return out_dir / MANIFEST


def orders(*, count: int, seed: int) -> Iterator[Order]:
    """Two pictures of everybody, in an order that says nothing of the label."""
    rng = np.random.default_rng(seed)
    plan = [*_sources("real", count // 4), *_sources("fake", count // 4)]
    for number, index in enumerate(rng.permutation(len(plan))):
        source, split = plan[index]
        person = invent(rng)
        for letter in "ab":
            yield Order(
                path=f"images/{seed}-{count}-{number:04d}{letter}.jpg",
                source=source,
                split=split,
                group=f"drawn-{seed}-{number:04d}",
                person=person,
                shot=take(rng),
            )


def _sources(label: str, people: int) -> list[tuple[str, Split]]:
    """Source and split of each person of a class; the held-out generator makes most of the test fakes."""
    seen = [CLEAN] if label == "real" else [name for name in GENERATORS if name != HELD_OUT]
    unseen = [HELD_OUT, HELD_OUT, *seen] if label == "fake" else seen
    sizes = {split: round(people * share) for split, share in SHARES}
    training = people - sum(sizes.values())
    plan: list[tuple[str, Split]] = [(seen[i % len(seen)], "") for i in range(training)]
    plan += [(seen[i % len(seen)], "val") for i in range(sizes["val"])]
    return plan + [(unseen[i % len(unseen)], "test") for i in range(sizes["test"])]


def _draw(out_dir: Path, order: Order) -> Drawn:
    flaw = None if order.source == CLEAN else GENERATORS[order.source]
    made = portrait(order.person, order.shot, flaw=flaw)
    # Every picture goes through one encoder at one quality.
    encoded = cv2.imencode(".jpg", made.picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    (out_dir / order.path).write_bytes(encoded.tobytes())
    return Drawn(order, made.face, made.flaw)


def _write_manifest(path: Path, drawn: list[Drawn]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "source", "split", "group", "x", "y", "w", "h"])
        for d in drawn:
            o = d.order
            writer.writerow([o.path, o.label, o.source, o.split, o.group, *d.face])


def _write_regions(path: Path, drawn: list[Drawn]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "x", "y", "w", "h"])
        writer.writerows([d.order.path, *d.flaw] for d in drawn if d.flaw)


def read_regions(path: Path) -> dict[str, Box]:
    """Where each flawed picture is flawed, by the path in the manifest; empty when there is no file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["path"]: (int(row["x"]), int(row["y"]), int(row["w"]), int(row["h"]))
            for row in csv.DictReader(file)
        }
