"""Asking for a map set."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from app.errors import BadInput
from app.forms import Fields
from saliency.parameters import Granularity, Include, MapParameters, ParameterError, Scale, Weight

LARGEST: Final = 2**31 - 1


Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(le=LARGEST)]


class BuildForm(Fields):
    """The fields of the form; one that is missing keeps its default, as in `MapParameters`."""

    include: Include = "correct"
    arms: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    first_annotators: Count | None = None
    decided_from: datetime | None = None
    decided_before: datetime | None = None
    min_annotators: Count = 1
    sigma_px: Number = 5.0
    sigma_percent: Number | None = None
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
