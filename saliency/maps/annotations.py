"""What people painted, as the builder takes it."""

from dataclasses import dataclass
from datetime import datetime

from saliency.masks.strokes import Stroke


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one participant painted on one image.

    Only the first three are always there; a parameter that needs one of the others says so when it is None.

    Parameters
    ----------
    annotation_id : unique among the annotations of an image
    correct : whether the decision was
    strokes : in drawing order
    arm, question, participant : names, as the study has them
    accuracy : share of the participant's main decisions that were correct, 0 to 1
    decision_ms : time from the pair to the decision, at least 0
    decided_at : moment of the decision, with a time zone
    flags : kinds of the quality flags on the participant or on the trial; None when nobody looked
    """

    annotation_id: str
    correct: bool
    strokes: tuple[Stroke, ...]
    arm: str | None = None
    question: str | None = None
    participant: str | None = None
    accuracy: float | None = None
    decision_ms: float | None = None
    decided_at: datetime | None = None
    flags: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ImageAnnotations:
    """An image and everything that was painted on it; sizes in pixels."""

    image_id: str
    width: int
    height: int
    annotations: tuple[Annotation, ...]
