"""A study's description as the controls of a form. A control's name is the path of its key: `quiz.attempts`.

So the form, TOML and the API are checked by one schema, and what it complains of stands beside its control.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData

from app.errors import BadStudy
from app.studies.parts import part_in
from app.studies.schemas import StudySpec, parse_advice, parse_pairs

Location = tuple[int | str, ...]

LISTS: Final = {
    "pairs.listed": "The pairs",
    "practice.listed": "The practice pairs",
    "advice.listed": "The advice",
}
"""Controls that hold CSV, and what complaints call it."""

ROWS: Final = ("arms", "quiz.questions", "checks.pairs", "checks.regions", "questions")
"""Lists whose items have controls of their own."""

TEXTS: Final = ("consent", "instructions", "debrief")
"""Kept with the space around them: another text would be another version of the consent."""

CHOSEN: Final = ("pairs.sources", "pairs.real_sources", "exclusions.flags")
"""Any number of boxes with one name."""

SWITCHES: Final = ("annotate", "advice", "kind", "required")
"""Controls that always say something: a row with nothing else is empty."""

PARTS: Final = {
    "quiz": ("questions",),
    "practice": ("count", "listed"),
    "checks": ("pairs", "regions", "traps"),
    "breaks": ("every",),
    "advice": ("listed",),
    "exclusions": (
        "failed_checks",
        "median_decision_ms",
        "median_annotation_ms",
        "one_side",
        "correct_below",
        "flags",
    ),
    "plan": ("hypotheses", "exclusions", "participants", "judgements", "stopping"),
    "panel": ("name", "id", "session", "completion_url", "screened_out_url", "quota_full_url"),
}
"""Parts that a study may lack, and the keys without which they are not there."""

WHOLE: Final = {
    "pairs": "per_source",
    "annotation": "min_area",
    "practice": "count",
    "checks": "max_failed",
    "advice": "listed",
    "exclusions": "failed_checks",
    "panel": "session",
    "plan": "hypotheses",
    "quiz.questions": "answer",
    "questions": "options",
}
"""Where a complaint about a whole part stands."""


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    return out.getvalue()


def _pairs_csv(pairs: Iterable[Mapping[str, Any]]) -> str:
    return _csv(["real", "fake"], ([pair["real"], pair["fake"]] for pair in pairs))


def _advice_csv(lines: Iterable[Mapping[str, Any]]) -> str:
    rows = ([line["image"], f"{line['score']!r}", line["map"] or ""] for line in lines)
    return _csv(["image", "score", "map"], rows)


def _corners(text: str) -> Any:
    """As a description has them; what cannot be read is left for the schema to complain of."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _corners_text(corners: Sequence[Sequence[float]]) -> str:
    return json.dumps([[int(at) if at == int(at) else at for at in corner] for corner in corners])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "pairs.listed": lambda text: parse_pairs(text, name=LISTS["pairs.listed"]),
    "practice.listed": lambda text: parse_pairs(text, name=LISTS["practice.listed"]),
    "advice.listed": lambda text: parse_advice(text, name=LISTS["advice.listed"], folder=Path()),
    "checks.regions.region": _corners,
    "quiz.questions.options": _lines,
    "questions.options": _lines,
    **dict.fromkeys(("exclude_studies", "plan.hypotheses", "plan.exclusions"), _lines),
}
"""What the text of a control stands for, where it is not the value itself."""

WRITE: Final[Mapping[str, Callable[[Any], str]]] = {
    "pairs.listed": _pairs_csv,
    "practice.listed": _pairs_csv,
    "advice.listed": _advice_csv,
    "checks.regions.region": _corners_text,
    **dict.fromkeys(
        (
            "quiz.questions.options",
            "questions.options",
            "exclude_studies",
            "plan.hypotheses",
            "plan.exclusions",
        ),
        "\n".join,
    ),
}


def key_of(name: str) -> str:
    """The key of the description that a control is for, whatever its row: `arms.2.name` → `arms.name`."""
    return re.sub(r"\.\d+(?=\.|$)", "", name)


@dataclass(frozen=True, slots=True)
class StudyForm:
    """What the controls hold, kept as it was typed, so that a mistake costs nothing."""

    values: Mapping[str, str]
    """By the name of the control."""
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Boxes that are ticked."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """How many rows of each list are shown."""

    def with_row(self, name: str) -> "StudyForm":
        return replace(self, rows={**self.rows, name: self.rows[name] + 1})

    def filled_rows(self, name: str) -> list[int]:
        """The rows of a list in which something is typed, in order."""
        return [row for row in range(self.rows[name]) if self._is_filled(f"{name}.{row}.")]

    def _is_filled(self, row: str) -> bool:
        typed = (name for name, text in self.values.items() if name.startswith(row) and text)
        return any(name.rpartition(".")[2] not in SWITCHES for name in typed)

    def description(self) -> dict[str, Any]:
        """As TOML would have it; BadStudy when a list is none."""
        description: dict[str, Any] = {}
        for name, text in self.values.items():
            if text and not any(name.startswith(f"{rows}.") for rows in ROWS):
                _put(description, name.split("."), _value(name, text))
        for name, texts in self.chosen.items():
            if texts:
                _put(description, name.split("."), list(texts))
        for name in ROWS:
            if rows := [self._row(f"{name}.{row}.") for row in self.filled_rows(name)]:
                _put(description, name.split("."), rows)
        if "listed" in description.get("pairs", {}):
            description["pairs"] = {"listed": description["pairs"]["listed"]}  # nothing is drawn then
        return {key: value for key, value in description.items() if _is_there(key, value)}

    def _row(self, row: str) -> dict[str, Any]:
        texts = {name: text for name, text in self.values.items() if name.startswith(row) and text}
        return {name.removeprefix(row): _value(name, text) for name, text in texts.items()}

    def control(self, where: Location) -> str:
        """The control for a place in the description."""
        shown = [str(part) for part in where]
        for name in ROWS:
            path = name.split(".")
            if shown[: len(path)] == path and len(shown) > len(path):
                row = self.filled_rows(name)[int(shown[len(path)])]
                inner = shown[len(path) + 1 : len(path) + 2] or [WHOLE.get(name, "")]
                return ".".join([name, str(row), *inner]).rstrip(".")
        # Deeper than a control is a line of a list.
        named = next((name for name in (".".join(shown[:2]), *shown[:1]) if name in CONTROLS), "")
        part = shown[0] if shown else ""
        return named or (f"{part}.{WHOLE[part]}" if part in WHOLE and part not in ROWS else part)


def _value(name: str, text: str) -> Any:
    return READ.get(key_of(name), str)(text)


def _put(description: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        description = description.setdefault(part, {})
    description[path[-1]] = value


def _is_there(key: str, value: Any) -> bool:
    return key not in PARTS or any(value.get(needed) for needed in PARTS[key])


def filled(description: Mapping[str, Any]) -> StudyForm:
    """The form of a study that is described already, with an empty row after those of each list."""
    values: dict[str, str] = {}
    chosen: dict[str, Sequence[str]] = {}
    rows = dict.fromkeys(ROWS, 0)
    _fill(description, "", values, chosen, rows)
    return StudyForm({**BLANK, **values}, chosen, {name: number + 1 for name, number in rows.items()})


def _fill(
    value: Any, name: str, values: dict[str, str], chosen: dict[str, Sequence[str]], rows: dict[str, int]
) -> None:
    key = key_of(name)
    if value is None:
        return
    if isinstance(value, Mapping):
        for part, inner in value.items():
            _fill(inner, f"{name}.{part}" if name else part, values, chosen, rows)
    elif key in ROWS and key == name:
        rows[key] = len(value)
        for row, inner in enumerate(value):
            _fill(inner, f"{name}.{row}", values, chosen, rows)
    elif key in CHOSEN:
        chosen[key] = list(value)
    else:
        values[name] = _text(key, value)


def _text(key: str, value: Any) -> str:
    if key in WRITE:
        return WRITE[key](value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def read(form: FormData) -> StudyForm:
    """What a browser sent; whatever is not in it is empty, and of controls with one name the last counts."""
    values = dict(BLANK)
    rows = dict.fromkeys(ROWS, 1)
    for name, value in form.multi_items():
        if not isinstance(value, str) or key_of(name) not in CONTROLS:
            continue
        # Browsers send line ends as CR LF; text areas keep what was typed with LF.
        text = value.replace("\r\n", "\n")
        values[name] = text if name in TEXTS and text.strip() else text.strip()
        for list_ in ROWS:
            if found := re.match(rf"{re.escape(list_)}\.(\d{{1,4}})\.", name):
                rows[list_] = max(rows[list_], int(found[1]) + 1)
    for name in CHOSEN:
        values.pop(name, None)
    chosen = {name: [one for one in form.getlist(name) if isinstance(one, str)] for name in CHOSEN}
    return StudyForm(values, chosen, rows)


def spec_of(form: StudyForm) -> tuple[StudySpec | None, dict[str, str]]:
    """The description, or what is wrong by the name of the control."""
    try:
        return StudySpec.model_validate(form.description()), {}
    except BadStudy as error:
        return None, by_words(str(error))
    except ValidationError as error:
        return None, by_control(form, error)


def by_control(form: StudyForm, error: ValidationError) -> dict[str, str]:
    """The first complaint about each control."""
    found: dict[str, str] = {}
    for complaint in error.errors():
        said = complaint["ctx"]["error"] if complaint["type"] == "value_error" else complaint["msg"]
        said = "This is needed." if complaint["type"] == "missing" else f"{said}".rstrip(".") + "."
        found.setdefault(form.control(complaint["loc"]), capitalised(said))
    return found


def capitalised(said: str) -> str:
    """A sentence of its own: a description's complaints follow the name of a key."""
    return said[:1].upper() + said[1:]


def by_words(said: str) -> dict[str, str]:
    """A complaint that begins with the place it is about, or about the whole."""
    place, _, what = said.partition(": ")
    for name, called in LISTS.items():
        if place.startswith(called):
            return {name: said}
    found = next((name for name in (place, key_of(place)) if key_of(name) in CONTROLS), None)
    if found:
        return {found: capitalised(what)}
    if key_of(place) in ROWS and place not in ROWS:
        return {f"{place}.{'image' if 'regions' in place else 'real'}": capitalised(what)}
    return {PLACES.get(place, ""): capitalised(what) if place in PLACES else said}


PLACES: Final = {"pairs": "pairs.per_source", "practice": "practice.count", "advice": "advice.listed"}


def _keys(model: type[BaseModel], before: str) -> Iterator[str]:
    for name, one in model.model_fields.items():
        key = f"{before}{name}"
        inner = part_in(one.annotation)
        if inner is None or key in LISTS:
            yield key
        else:
            yield from _keys(inner, f"{key}.")


CONTROLS: Final = frozenset(_keys(StudySpec, ""))
"""The key of every control, from the schema."""

BLANK: Final[Mapping[str, str]] = {
    name: ""
    for name in CONTROLS
    if not any(name.startswith(f"{rows}.") for rows in ROWS) and name not in CHOSEN
}
"""Every control outside of the lists, empty."""


def new_form() -> StudyForm:
    """The form of a study that is not described yet, with what holds if nothing else is said."""
    standard = StudySpec.model_validate({"slug": "x", "title": "x", "pairs": {"per_source": 100}})
    said = standard.model_dump(mode="json")
    return filled({name: value for name, value in said.items() if name not in ("slug", "title")})
