"""One image before a trained detector, now: a child process looks at it, nothing of it is kept.

The web process never imports PyTorch. The child takes some seconds to start, so one image is scored at a
time; whoever comes meanwhile is asked to come again.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import BadInput, Unavailable, WrongState
from app.experiments.errands import last_line
from app.models import JobState, Run
from app.stimuli.decode import Unusable, decode
from saliency.crop import apply_crop, face_crop
from training.config import explain

COMMAND: Final = (sys.executable, "-m", "training", "score")
LONGEST_S: Final = 240.0
"""A busy machine takes minutes to load PyTorch; an idle one five seconds."""
CROP_PX: Final = 512
"""Side of a crop before the network's own input size: larger than any of them."""

_one_at_a_time: Final = Lock()

FaceBox = tuple[float, float, float, float]


class Scored(BaseModel):
    """What `python -m training score --json` prints; pictures are base64 of PNG."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    logit_real: float
    logit_fake: float
    score_sigmoid: float
    score_softmax: float
    entropy: float
    side: int
    seen: str
    cam: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A score, and the size of the picture that was sent."""

    scored: Scored
    width: int
    height: int
    cropped: bool


def score_image(
    run: Run, content: bytes, *, called: str, face: FaceBox | None, command: Sequence[str] = COMMAND
) -> Answer:
    """What a finished run says about an image file.

    face : x, y, width, height of the face in pixels; it is cut out as the faces of a dataset are. None
        takes the whole picture, for one that is a face crop already.
    """
    if run.state is not JobState.SUCCEEDED:
        raise WrongState(f"This run is {run.state}; it scores images when it has finished.")
    if not _one_at_a_time.acquire(blocking=False):
        raise Unavailable("Another image is being scored; try again in a few seconds.")
    try:
        with tempfile.TemporaryDirectory(prefix="cyborg-score-") as folder:
            return _answer(run, content, called, face, Path(folder), command)
    finally:
        _one_at_a_time.release()


def _answer(
    run: Run, content: bytes, called: str, face: FaceBox | None, folder: Path, command: Sequence[str]
) -> Answer:
    sent, seen = folder / "sent", folder / "seen.png"
    sent.write_bytes(content)
    try:
        picture = np.asarray(decode(sent))
    except Unusable as reason:
        raise BadInput(f"{called or 'The file'} {reason}") from None
    height, width = picture.shape[:2]
    cv2.imwrite(str(seen), cv2.cvtColor(_cut(picture, face), cv2.COLOR_RGB2BGR))
    scored = _ask([*command, run.folder, str(seen), "--json", "--device", "cpu"])
    return Answer(scored, width, height, cropped=face is not None)


def _cut(picture: Any, face: FaceBox | None) -> Any:
    if face is None:
        return picture
    height, width = picture.shape[:2]
    try:
        crop = face_crop(face, width=width, height=height)
    except ValueError as error:
        raise BadInput(f"The {error}.") from None
    return apply_crop(picture, crop, size=CROP_PX)


def _ask(command: Sequence[str]) -> Scored:
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours
            command, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"The detector did not answer within {LONGEST_S:.0f} s.") from None
    if done.returncode:
        raise BadInput(last_line(done.stderr) or f"The detector ended with exit code {done.returncode}.")
    try:
        return Scored.model_validate(json.loads(done.stdout.strip().splitlines()[-1]))
    except ValidationError as error:
        raise BadInput(f"The detector's answer cannot be used: {explain(error)}") from None
    except (ValueError, IndexError):
        raise BadInput("The detector gave no answer that can be read.") from None
