"""Draw the faces of a world, before artefacts and shortcuts: once, for every seed."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from app.demo.anatomy import EYE_Y, MOUTH_Y, head_outline
from app.demo.canvas import Points
from app.demo.identity import Identity, invent, take
from app.demo.portrait import portrait
from app.stimuli.manifest import parse_rows, read_content
from app.stimuli.names import Finder
from saliency.images.decoder import read_pixels

Picture = NDArray[np.uint8]

ALIGNED: Final = [(0.36, 0.47), (0.64, 0.47), (0.4, 0.72), (0.6, 0.72), (0.3, 0.6), (0.7, 0.6), (0.5, 0.88)]
"""Eyes, corners of the mouth, cheeks and chin of a photograph that was aligned by its eyes; of its side."""


@dataclass(frozen=True, slots=True)
class Faces:
    """People who do not exist, each drawn once."""

    pictures: NDArray[np.uint8]  # (N, size, size, 3) blue, green, red
    parts: NDArray[np.float64]  # (N, P, 2) px: where an artefact may be
    heads: NDArray[np.int64]  # (N, 4) px: x, y, width, height

    def __len__(self) -> int:
        return len(self.pictures)


def places(person: Identity) -> Points:
    """(P, 2) in unit coordinates: eyes, corners of the mouth, cheeks, sides of the forehead, ears, chin."""
    gap, mouth, ear = person.eye_gap, person.mouth_width * 0.75, person.half_width + 0.006
    sides = [(gap, EYE_Y), (mouth, MOUTH_Y), (0.12, 0.6), (0.08, 0.35), (ear, 0.51)]
    return np.array([*[(0.5 + s * x, y) for x, y in sides for s in (-1, 1)], (0.5, 0.76)])


def draw_face(number: int, *, seed: int, size: int) -> tuple[Picture, Points, tuple[int, int, int, int]]:
    """One face; a function of seed and number alone."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, number])
    person, shot = invent(rng), take(rng)
    canvas = portrait(person, shot, rng, size=size)
    parts = canvas.place(places(person)) * size / canvas.scale
    return canvas.finished(), parts, canvas.box(head_outline(person))


def write_faces(
    path: Path, count: int, *, seed: int, size: int, pool: Executor, on_drawn: Callable[[], None]
) -> None:
    """Draw `count` faces in the processes of the pool, and keep them in one file."""
    drawn = []
    for one in pool.map(partial(draw_face, seed=seed, size=size), range(count), chunksize=20):
        drawn.append(one)
        on_drawn()
    pictures, parts, heads = (np.stack([np.asarray(one[i]) for one in drawn]) for i in range(3))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial.npz")
    np.savez(draft, pictures=pictures, parts=parts, heads=heads)
    draft.replace(path)


def write_photos(path: Path, manifest: Path, *, size: int) -> int:
    """Keep the images of a manifest (`path,label,source`) as faces, whatever their label; how many there are.

    Nobody knows where their parts are: those of an aligned face are taken for all of them.
    """
    finder = Finder(manifest.parent)
    rows = parse_rows(read_content(manifest), name=str(manifest), required=["path"])
    files = [finder.find(row["path"]) for row in rows]
    pictures = np.stack([_small(file, size) for file in files])
    parts, heads = np.array(ALIGNED) * size, np.array([0.2, 0.08, 0.6, 0.84]) * size
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial.npz")
    np.savez(
        draft,
        pictures=pictures,
        parts=np.broadcast_to(parts, (len(files), *parts.shape)),
        heads=np.broadcast_to(heads.astype(np.int64), (len(files), 4)),
    )
    draft.replace(path)
    return len(files)


def _small(file: Path, size: int) -> Picture:
    pixels = cv2.cvtColor(read_pixels(file), cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def read_faces(path: Path) -> Faces:
    """The faces that `write_faces` kept."""
    with np.load(path) as stored:
        return Faces(stored["pictures"], stored["parts"], stored["heads"])
