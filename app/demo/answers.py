"""What the simulation knows and no participant may know: which face is fake, and where it is spoiled.

It is read from the database, by the machine that runs the simulation. The participant API tells nobody,
simulated participants included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np

from app.db import SessionFactory
from app.demo.faces import REGIONS, read_regions
from app.demo.regions import Region
from app.errors import NotFound
from app.models import Image, Label, Question, RegionCheck, Side, Trial

PAIR_SPREAD: Final = 0.6
"""Between pairs, standard deviation of how hard they are, in logits."""


@dataclass(frozen=True, slots=True)
class KnownFace:
    label: Label
    size: tuple[int, int]
    box: Region | None
    artefact: Region | None
    drawn: bool = False
    """A face of a drawn world, in which anything may be anywhere."""


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """The answer to one trial. A hard pair has a positive difficulty, in logits."""

    faces: dict[Side, KnownFace]
    difficulty: float
    region: list[list[float]] | None = None
    """What a region check asks for; both sides are then the one face."""

    def right_choice(self, question: Question) -> Side:
        """The side that answers "which one is real?" or "which one is fake?"."""
        return next(side for side, face in self.faces.items() if face.label.value == question.value)


Key = Callable[[UUID], KnownAnswer]


def answer_key(sessions: SessionFactory, artefacts: Mapping[str, Region]) -> Key:
    """Looks trials up by id; `artefacts` says where drawn faces are spoiled, by the name of their file."""

    def truth(trial_id: UUID) -> KnownAnswer:
        with sessions() as session:
            trial = session.get(Trial, trial_id)
            if trial is None:
                raise NotFound(
                    "The server uses another database than this command, so there is no answer key."
                )
            faces = {side: _face(session.get_one(Image, trial.image_on(side)), artefacts) for side in Side}
            region = trial.region_check_id and session.get_one(RegionCheck, trial.region_check_id).region
            return KnownAnswer(faces, difficulty(trial.pair_id or 0), region or None)

    return truth


def _face(image: Image, artefacts: Mapping[str, Region]) -> KnownFace:
    return KnownFace(
        label=image.label,
        size=(image.width, image.height),
        box=_box(image),
        artefact=artefacts.get(image.original_name) if image.generated else None,
        drawn=image.generated,
    )


def _box(image: Image) -> Region | None:
    if image.face_x is None or image.face_y is None or not image.face_width or not image.face_height:
        return None
    return image.face_x, image.face_y, image.face_width, image.face_height


def difficulty(pair_id: int) -> float:
    """How hard a pair is for everybody: drawn from its id, since the pixels are not looked at."""
    return float(np.random.default_rng([pair_id, 101]).normal(0, PAIR_SPREAD))


def known_artefacts(data_dir: Path) -> dict[str, Region]:
    """The artefacts of every set of faces that was drawn in this data folder."""
    artefacts: dict[str, Region] = {}
    for path in sorted((data_dir / "demo").glob(f"*/{REGIONS}")):
        artefacts |= read_regions(path)
    return artefacts
