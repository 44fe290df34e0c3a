"""A study description, typed into a form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from starlette.datastructures import FormData

from app.errors import BadStudy
from app.studies import texts
from app.studies.schemas import StudySpec, parse_pairs

ARM_ROWS: Final = 4
PASTED: Final = "The pasted pairs"

# Where the form asks for what the description calls differently.
FIELD_OF: Final = {"pairs": "per_source", "annotation": "min_strokes", "listed": "pairs_csv"}


@dataclass(frozen=True, slots=True)
class ArmRow:
    """A line of the form; without a name it is no arm."""

    name: str = ""
    annotate: bool = False


@dataclass(frozen=True, slots=True)
class StudyForm:
    """What was typed, kept as it was, so that a mistake costs nothing."""

    values: Mapping[str, str]
    arms: Sequence[ArmRow]
    sources: Sequence[str] = ()
    real_sources: Sequence[str] = ()

    def description(self) -> dict[str, Any]:
        """As the TOML of the same study would have it; BadStudy when the pasted pairs are no pairs."""
        plain = ("slug", "title", "trials_per_participant", "judgements", "lease_minutes", "consent")
        return {
            **{name: self.values[name] for name in (*plain, "instructions")},
            "completion_url": self.values["completion_url"] or None,
            "accepts_simulated": bool(self.values["accepts_simulated"]),
            "arms": [{"name": arm.name, "annotate": arm.annotate} for arm in self.arms if arm.name],
            "annotation": {"min_strokes": self.values["min_strokes"]},
            "pairs": self._pairs(),
        }

    def _pairs(self) -> dict[str, Any]:
        if self.values["pairs_csv"]:
            return {"listed": parse_pairs(self.values["pairs_csv"], name=PASTED)}
        return {
            "per_source": self.values["per_source"],
            "seed": self.values["seed"],
            "sources": self.sources or None,
            "real_sources": self.real_sources or None,
        }


DEFAULTS: Final[Mapping[str, str]] = {
    "slug": "",
    "title": "",
    "trials_per_participant": "30",
    "judgements": "5",
    "lease_minutes": "60",
    "min_strokes": "1",
    "consent": texts.CONSENT,
    "instructions": texts.INSTRUCTIONS,
    "completion_url": "",
    "accepts_simulated": "",
    "per_source": "100",
    "seed": "0",
    "pairs_csv": "",
}


def padded(arms: Sequence[ArmRow]) -> list[ArmRow]:
    """The arms, and empty rows up to `ARM_ROWS`."""
    return [*arms, *[ArmRow()] * (ARM_ROWS - len(arms))]


EMPTY: Final = StudyForm(DEFAULTS, padded([ArmRow("annotate", annotate=True), ArmRow("control")]))


def read(form: FormData) -> StudyForm:
    """What a browser sent; whatever is not in it is empty."""
    painting = set(_texts(form, "arm_annotate"))
    rows = [ArmRow(name, str(row) in painting) for row, name in enumerate(_texts(form, "arm_name"))]
    return StudyForm(
        values={name: "".join(_texts(form, name)[:1]) for name in DEFAULTS},
        arms=padded(rows),
        sources=_texts(form, "sources"),
        real_sources=_texts(form, "real_sources"),
    )


def _texts(form: FormData, name: str) -> list[str]:
    """Browsers send line ends as CR LF; text areas keep what was typed with LF."""
    values = (value for value in form.getlist(name) if isinstance(value, str))
    return [value.strip().replace("\r\n", "\n") for value in values]


def spec_of(form: StudyForm) -> tuple[StudySpec | None, dict[str, str]]:
    """The description, or what is wrong by the field of the form ("" = the whole)."""
    try:
        return StudySpec.model_validate(form.description()), {}
    except BadStudy as error:
        return None, {"pairs_csv": str(error)}
    except ValidationError as error:
        return None, by_field(error)


def by_field(error: ValidationError) -> dict[str, str]:
    """The first complaint about each field of the form."""
    found: dict[str, str] = {}
    for complaint in error.errors():
        where = [part for part in complaint["loc"] if isinstance(part, str)]
        field = field_of(where)
        said = complaint["ctx"]["error"] if complaint["type"] == "value_error" else complaint["msg"]
        found.setdefault(field, capitalised(f"{said}".rstrip(".") + "."))
    return found


def capitalised(said: str) -> str:
    """A sentence of its own: a description's complaints follow the name of a key."""
    return said[:1].upper() + said[1:]


def field_of(where: Sequence[str]) -> str:
    """The name of the control that a place in the description belongs to."""
    match where:
        case ["arms", *_]:
            return "arms"
        case ["pairs" | "annotation", inner, *_]:
            return FIELD_OF.get(inner, inner)
        case [first, *_]:
            return FIELD_OF.get(first, first)
        case _:
            return "arms"  # the only rule of the whole: arms differ in name
