"""Write a world as a dataset folder, from faces, a design and a seed, as `cyborg dataset freeze` does."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.demo.artefacts import (
    MARK_SIDE,
    SEEN,
    UNSEEN,
    Pixels,
    Region,
    Texture,
    anywhere,
    away_from,
    photograph,
    spoil,
    tint_frame,
    tint_square,
)
from benchmarks.human_maps.annotators import annotate, parameters
from benchmarks.human_maps.design import Design
from benchmarks.human_maps.faces import Faces
from saliency import ImageAnnotations, build_encoded_maps
from training.data.dataset import DatasetFolder, DatasetWriter, load_dataset

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """One picture to make."""

    number: int
    """Of the face."""
    split: Split
    generator: str
    """Nothing = a real face."""
    strange: bool
    """Taken by a camera, and made by a generator, that training has not seen."""

    @property
    def label(self) -> str:
        return "fake" if self.generator else "real"

    @property
    def textures(self) -> dict[str, Texture]:
        return UNSEEN if self.strange else SEEN

    @property
    def source(self) -> str:
        group = "unseen" if self.strange else "seen"
        return f"{group}-{self.generator}" if self.generator else f"camera-{group}"


@dataclass(frozen=True, slots=True)
class FinishedPicture:
    """One picture, finished; `artefact` is where it was spoiled."""

    image_id: str
    plan: PicturePlan
    picture: NDArray[np.uint8]
    artefact: Region | None


def plans(design: Design, rng: np.random.Generator) -> list[PicturePlan]:
    """Who is in which split, who is spoiled, and how: half of every split is fake."""
    order = iter(rng.permutation(design.train + design.val + design.test).tolist())
    half = design.test // 2
    parts: list[tuple[Split, int, bool]] = [
        ("train", design.train, False),
        ("val", design.val, False),
        ("test", half, False),
        ("test", design.test - half, True),
    ]
    made = []
    for split, count, strange in parts:
        names = list(UNSEEN if strange else SEEN)
        for i in range(count):
            generator = names[i // 2 % len(names)] if i % 2 else ""
            made.append(PicturePlan(next(order), split, generator, strange))
    return made


def make(plan: PicturePlan, faces: Faces, design: Design, *, seed: int) -> Iterator[FinishedPicture]:
    """The picture of a training or validation face; of a test face one without and one with the shortcut."""
    rng = np.random.default_rng([seed, plan.number, 1])
    head, parts = faces.heads[plan.number], faces.parts[plan.number]
    picture = faces.pictures[plan.number].astype(np.float32)
    spot = artefact_place(design, rng, parts=parts)
    artefact = falsify(picture, plan, design, rng, spot=spot)
    at = shortcut_place(design, rng, head=head, parts=parts, spot=spot)
    agrees = rng.random() < design.follows
    shown = (False, True) if plan.split == "test" else ((plan.label == "fake") == agrees,)
    camera = rng.integers(2**32)
    for marked in shown:
        copy = picture.copy()
        if marked:
            add_shortcut(copy, at, design)
        shot = photograph(copy, np.random.default_rng(camera), strange=plan.strange)
        name = f"{face_name(plan)}-{'marked' if marked else 'plain'}"
        yield FinishedPicture(name, plan, shot, artefact)


def falsify(
    picture: Pixels, plan: PicturePlan, design: Design, rng: np.random.Generator, *, spot: NDArray[np.float64]
) -> Region | None:
    """Leave the trace of the generator at `spot`, in place; nothing happens to a real face."""
    if not plan.generator:
        return None
    texture, at = plan.textures[plan.generator], (float(spot[0]), float(spot[1]))
    return spoil(picture, at, texture, rng, radius=design.radius, strength=design.artefact)


def artefact_place(
    design: Design, rng: np.random.Generator, *, parts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Centre of the artefact in pixels."""
    match design.place:
        case "face":
            return np.asarray(parts[rng.integers(len(parts))])
        case "frame":
            return anywhere(rng, radius=design.radius, size=design.size)


def shortcut_place(
    design: Design,
    rng: np.random.Generator,
    *,
    head: NDArray[np.int64],
    parts: NDArray[np.float64],
    spot: NDArray[np.float64],
) -> tuple[float, float]:
    """Centre of the mark in pixels; for an even frame it does not matter."""
    match design.shortcut:
        case "corner" | "frame" | "none":
            return 0.08 * design.size, 0.92 * design.size
        case "background":
            return beside_head(rng, head, design)
        case "inside":
            return float(spot[0] + rng.normal(0, 1)), float(spot[1] + rng.normal(0, 1))
        case "apart":
            return away_from(rng, spot, radius=design.radius, size=design.size)
        case "face":
            return elsewhere_on_face(rng, parts, spot, design)


def elsewhere_on_face(
    rng: np.random.Generator, parts: NDArray[np.float64], spot: NDArray[np.float64], design: Design
) -> tuple[float, float]:
    """Another part of the face, far enough from `spot` for the mark to lie beside the artefact."""
    apart = np.hypot(*(parts - spot).T)
    others = parts[apart >= 1.6 * design.radius * design.size]
    x, y = others[rng.integers(len(others))]
    return float(x), float(y)


def beside_head(rng: np.random.Generator, head: NDArray[np.int64], design: Design) -> tuple[float, float]:
    """A random place left or right of the head, in the upper three quarters of the frame."""
    x, _, w, _ = (float(v) for v in head)
    edge = 0.06 * design.size
    left, right = (edge, max(x - edge, edge)), (min(x + w + edge, design.size - edge), design.size - edge)
    low, high = left if rng.random() < 0.5 else right
    return float(rng.uniform(low, high)), float(rng.uniform(0.06, 0.75) * design.size)


def add_shortcut(picture: Pixels, at: tuple[float, float], design: Design) -> None:
    """Lay the shortcut over a picture, in place."""
    match design.shortcut:
        case "none":
            return
        case "frame":
            tint_frame(picture, shift=design.cue)
        case _:
            tint_square(picture, at, side=MARK_SIDE, shift=design.cue)


def write_world(out_dir: Path, faces: Faces, design: Design, *, seed: int) -> DatasetFolder:
    """Make every picture, let people annotate the faces of training and test, and freeze the lot.

    The maps of test faces are for comparison only; both pictures of a test face have the same map.
    """
    rng = np.random.default_rng([seed, 0])
    made = [one for plan in plans(design, rng) for one in make(plan, faces, design, seed=seed)]
    maps = dict(build_encoded_maps(annotations(made, faces, design, seed=seed), parameters(design)))
    with DatasetWriter(
        out_dir, study="simulated", map_set="simulated", parameters={"seed": seed, **asdict(design)}
    ) as writer:
        for one in made:
            saliency = maps.get(face_name(one.plan))
            writer.add(
                image_id=one.image_id,
                image=bytes(cv2.imencode(".png", one.picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]),
                label=one.plan.label,
                source=one.plan.source,
                split=one.plan.split,
                map=saliency.png if saliency else None,
                annotators=saliency.annotators if saliency else 0,
            )
    return load_dataset(out_dir)


def annotations(
    made: Iterable[FinishedPicture], faces: Faces, design: Design, *, seed: int
) -> Iterator[ImageAnnotations]:
    """What people painted on each face that they were shown, once per face: of training and test."""
    asked = {one.plan.number: one for one in made if is_painted(one.plan, design, seed=seed)}
    for number, one in asked.items():
        x, y, w, h = (float(v) for v in faces.heads[number])
        rng = np.random.default_rng([seed, number, 2])
        yield annotate(face_name(one.plan), rng, design, head=(x, y, w, h), artefact=one.artefact)


def is_painted(plan: PicturePlan, design: Design, *, seed: int) -> bool:
    """Whether people look at a face; of a smaller share all are also in a larger one."""
    if plan.split == "train":
        return bool(np.random.default_rng([seed, plan.number, 3]).random() < design.painted)
    return plan.split == "test"


def face_name(plan: PicturePlan) -> str:
    """The same for both pictures of a test face."""
    return f"{plan.number:05d}"
