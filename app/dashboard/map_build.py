"""Asking for a map set."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field

from app.errors import BadInput
from saliency.parameters import Granularity, Include, MapParameters, ParameterError, Scale, Weight

LARGEST: Final = 2**31 - 1


def _blank(value: object) -> object:
    """An empty field of a form asks for nothing."""
    return None if isinstance(value, str) and not value.strip() else value


Number = Annotated[float, Field(allow_inf_nan=False)]
Moment = Annotated[datetime | None, BeforeValidator(_blank)]


class BuildForm(BaseModel):
    """The fields of the form; one that is missing keeps its default, as in `MapParameters`."""

    include: Include = "correct"
    arms: list[str] = []
    questions: list[str] = []
    without_flags: list[str] = []
    first_annotators: Annotated[int | None, BeforeValidator(_blank), Field(le=LARGEST)] = None
    decided_from: Moment = None
    decided_before: Moment = None
    min_annotators: Annotated[int, Field(le=LARGEST)] = 1
    sigma_px: Number = 5.0
    sigma_percent: Annotated[Number | None, BeforeValidator(_blank)] = None
    weight: Weight = "equal"
    scale: Scale = "minmax"
    granularity: Granularity = "map"
    threshold: Number = 0.5

    def parameters(self) -> MapParameters:
        """What was asked for; a bad value is `BadInput` and names its parameter."""
        asked: dict[str, Any] = self.model_dump(exclude={"sigma_percent"})
        asked["sigma_share"] = None if self.sigma_percent is None else self.sigma_percent / 100
        for name in ("decided_from", "decided_before"):
            asked[name] = _in_utc(asked[name])
        try:
            return MapParameters.from_dict(asked)
        except ParameterError as error:
            raise BadInput(f"{error}.") from None


def _in_utc(moment: datetime | None) -> datetime | None:
    """The form says that its times are UTC; a program may send an offset."""
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
