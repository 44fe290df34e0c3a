"""The parameters of a saliency map: everything that decides a map besides what was painted.

Each is described once, by its field in `MapParameters`. From that description come the checks, the options of
every command line, the form and the words of the staff pages, and the table in docs/saliency.md. A new
parameter is a new field here, and the code that uses it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

from saliency.parameter_descriptions import (
    Count,
    Description,
    Moment,
    Names,
    Number,
    OneOf,
    ParameterError,
)

Include = Literal["correct", "all"]
Weight = Literal["equal", "accuracy", "fast", "slow"]
Scale = Literal["minmax", "peak"]
Granularity = Literal["map", "area", "box", "boxes"]

MAX_SIGMA_PX: Final = 512.0
ANY_FLAG: Final = "any"


@dataclass(frozen=True, slots=True)
class MapParameters:
    """What decides a map besides its strokes; recorded with every map set."""

    sigma_px: Annotated[
        float,
        Description(
            step="blur",
            values=Number(highest=MAX_SIGMA_PX),
            option="--sigma",
            label="Blur σ in pixels of the image",
            help="Standard deviation of the blur in pixels of the annotated image; 0 does not blur.",
            hint="5 as in the paper; 0 does not blur.",
            meaning="standard deviation in pixels of the annotated image, at most 512; 0 does not blur; "
            'equals `scipy.ndimage.gaussian_filter(mode="reflect", truncate=4)` within 10⁻⁵',
            words=lambda asked: "" if asked.sigma_share is not None else f"σ {asked.sigma_px:g} px",
        ),
    ] = 5.0
    sigma_share: Annotated[
        float | None,
        Description(
            step="blur",
            values=Number(highest=1.0, in_percent="sigma_percent"),
            label="… or in % of the shorter side",
            help="The same as a share of the image's shorter side, instead of --sigma.",
            hint="For images of several sizes; counts instead of pixels.",
            meaning="the same as a share of the image's **shorter side**, instead of `sigma_px` (ours)",
            words=lambda asked: (
                "" if asked.sigma_share is None else f"σ {100 * asked.sigma_share:g} % of the side"
            ),
        ),
    ] = None
    include: Annotated[
        Include,
        Description(
            step="filter",
            values=OneOf({"correct": "correct ones", "all": "all"}),
            label="Decisions",
            help="Annotations of correct decisions, or all.",
            hint="The paper counts correct decisions. A set of all, compared with one of the correct, shows "
            "what the wrong add.",
            meaning="annotations of correct decisions, or `all`",
            words=lambda asked: f"{asked.include} decisions",
        ),
    ] = "correct"
    arms: Annotated[
        tuple[str, ...],
        Description(
            step="filter",
            values=Names("arm"),
            option="--arm",
            label="Arms",
            help="Only this arm; may be repeated.",
            hint="None ticked: all of them.",
            meaning="names of arms; repeat the option for several",
            absent="all",
            needs="arm",
            words=lambda asked: _listed("arm", asked.arms),
        ),
    ] = ()
    questions: Annotated[
        tuple[str, ...],
        Description(
            step="filter",
            values=Names("question"),
            option="--question",
            label="Questions",
            help="Only this question, real or fake; may be repeated.",
            hint="Which one is real, or which one is fake. None ticked: both.",
            meaning="`real`, `fake`",
            absent="all",
            needs="question",
            words=lambda asked: _listed("question", asked.questions),
        ),
    ] = ()
    without_flags: Annotated[
        tuple[str, ...],
        Description(
            step="filter",
            values=Names("quality flag"),
            option="--without-flag",
            label="Leave out annotations with a quality flag",
            help="Not with this quality flag, or `any`; may be repeated.",
            hint="Flags on the participant, or on the trial of the annotation.",
            meaning="kinds of quality flags; whoever has one of them does not count; `any` is all kinds",
            absent="none",
            needs="flags",
            words=lambda asked: _listed("without the flag", asked.without_flags),
        ),
    ] = ()
    first_annotators: Annotated[
        int | None,
        Description(
            step="first",
            values=Count(),
            label="Only the first annotators of an image",
            help="Only the first so many annotators of each image.",
            hint="For learning curves: the earliest so many.",
            meaning="only the first N with ink on each image, by `decided_at`, then by id, for learning "
            "curves",
            absent="all",
            needs="decided_at",
            words=lambda asked: (
                f"first {asked.first_annotators} annotators" if asked.first_annotators else ""
            ),
        ),
    ] = None
    decided_from: Annotated[
        datetime | None,
        Description(
            step="filter",
            values=Moment(),
            label="Decided from (UTC)",
            help="Only decisions from then on, such as 2026-03-01T12:00+00:00.",
            hint="Decisions from this moment on.",
            meaning="only decisions from this moment on",
            needs="decided_at",
            words=lambda asked: _dated("decided from", asked.decided_from),
        ),
    ] = None
    decided_before: Annotated[
        datetime | None,
        Description(
            step="filter",
            values=Moment(),
            label="Decided before (UTC)",
            help="Only decisions before then.",
            hint="Decisions before this moment.",
            meaning="only decisions before this moment",
            needs="decided_at",
            words=lambda asked: _dated("decided before", asked.decided_before),
        ),
    ] = None
    min_annotators: Annotated[
        int,
        Description(
            step="minimum",
            values=Count(),
            label="Fewest annotators for a map",
            help="An image with fewer annotators has no map.",
            meaning="with fewer annotations that count and have ink there is no map",
            words=lambda asked: (
                f"at least {asked.min_annotators} annotators" if asked.min_annotators > 1 else ""
            ),
        ),
    ] = 1
    weight: Annotated[
        Weight,
        Description(
            step="weight",
            values=OneOf(
                {
                    "equal": "everybody the same",
                    "accuracy": "accurate participants more",
                    "fast": "fast decisions more",
                    "slow": "slow decisions more",
                }
            ),
            label="Weights",
            help="Who counts more: nobody, the accurate, the fast, or the slow.",
            hint="By accuracy: nothing for somebody who guesses, 1 for somebody who is always right.",
            meaning="how much an annotation counts: see below",
            needs={"accuracy": "accuracy", "fast": "decision_ms", "slow": "decision_ms"},
            words=lambda asked: {
                "equal": "",
                "accuracy": "the accurate count more",
                "fast": "the fast count more",
                "slow": "the slow count more",
            }[asked.weight],
        ),
    ] = "equal"
    scale: Annotated[
        Scale,
        Description(
            step="shape",
            values=OneOf({"minmax": "lowest to highest = 0 to 1", "peak": "divided by the highest"}),
            label="Scale",
            help="Lowest and highest value to 0 and 1, or the highest to 1.",
            hint="Differs only where every pixel was painted by somebody.",
            meaning="`minmax`: lowest value to 0, highest to 1; `peak`: divide by the highest",
            words=lambda asked: "divided by the peak" if asked.scale == "peak" else "",
        ),
    ] = "minmax"
    granularity: Annotated[
        Granularity,
        Description(
            step="shape",
            values=OneOf(
                {
                    "map": "continuous map",
                    "area": "area",
                    "box": "one box",
                    "boxes": "a box for each region",
                }
            ),
            label="Shape",
            help="The map, its area, one box around that, or a box per region.",
            hint="How much detail is kept.",
            meaning="the map itself, or what is left of it: see below",
            words=lambda asked: {
                "map": "",
                "area": f"area from {asked.threshold:g} on",
                "box": f"one box from {asked.threshold:g} on",
                "boxes": f"boxes from {asked.threshold:g} on",
            }[asked.granularity],
        ),
    ] = "map"
    threshold: Annotated[
        float,
        Description(
            step="shape",
            values=Number(highest=1.0),
            label="Threshold of area and boxes",
            help="Where an area or a box begins in the scaled map.",
            hint="They begin where the scaled map reaches it.",
            meaning="value of the scaled map from which on a pixel belongs to an area or a box, above 0",
            words=lambda _: "",  # said with the granularity
        ),
    ] = 0.5

    def __post_init__(self) -> None:
        for name, described in DESCRIPTIONS.items():
            value = getattr(self, name)
            if value is not None or DEFAULTS[name] is not None:
                object.__setattr__(self, name, described.values.checked(name, value))
        if self.threshold == 0:
            raise ParameterError("threshold must be above 0: every pixel reaches 0")
        if self.decided_from and self.decided_before and self.decided_from >= self.decided_before:
            raise ParameterError("decided_from must be before decided_before")

    def sigma_of(self, *, width: int, height: int) -> float:
        """Return the standard deviation in pixels for an image of this size."""
        if self.sigma_share is None:
            return self.sigma_px
        sigma_px = self.sigma_share * min(width, height)
        if sigma_px > MAX_SIGMA_PX:
            raise ParameterError(
                f"sigma_share {self.sigma_share:g} is {sigma_px:g} px on an image of {width}x{height}; "
                f"at most {MAX_SIGMA_PX:g} px are possible"
            )
        return sigma_px

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values that `from_dict` reads back."""
        return {name: _plain(getattr(self, name)) for name in DESCRIPTIONS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MapParameters":
        """Read `to_dict`; an unknown name is an error, a missing one takes its default."""
        for name in values:
            if name not in DESCRIPTIONS:
                raise ParameterError(f"{name!r} is not a parameter of a saliency map")
        return cls(**values)


TYPES: Final[Mapping[str, Any]] = get_type_hints(MapParameters)
"""The type of each parameter, without its description."""
DEFAULTS: Final[Mapping[str, Any]] = {field.name: field.default for field in fields(MapParameters)}
DESCRIPTIONS: Final[Mapping[str, Description]] = {
    name: get_args(annotated)[1]
    for name, annotated in get_type_hints(MapParameters, include_extras=True).items()
}
"""By name, in the order in which the parameters are shown."""
THINGS: Final[Mapping[str, str]] = {
    name: described.values.thing
    for name, described in DESCRIPTIONS.items()
    if isinstance(described.values, Names)
}
"""For each parameter that is a list of names, what the names are of."""


def in_words(recorded: Mapping[str, Any]) -> str:
    """Say what a map set was asked for: the blur and whose annotations; all else unless it is the default."""
    asked = MapParameters.from_dict(recorded)
    return ", ".join(filter(None, (_phrase(name, asked) for name in DESCRIPTIONS)))


def _phrase(name: str, asked: MapParameters) -> str:
    described, value = DESCRIPTIONS[name], getattr(asked, name)
    if described.words:
        return described.words(asked)
    return "" if value == DEFAULTS[name] else f"{described.label}: {_plain(value)}"


def _listed(what: str, names: Collection[str]) -> str:
    return f"{what} {' or '.join(names)}" if names else ""


def _dated(what: str, moment: datetime | None) -> str:
    return f"{what} {moment:%-d %b %Y, %H:%M} UTC" if moment else ""


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else value
