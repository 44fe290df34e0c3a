"""Changes of a study that was opened: each makes a numbered version, and nobody's visit changes under way.

What may change is what newcomers read and the numbers that rule them. What may not is what judgements are of:
pairs, practice and checks, arms and advice. A study with others is another study: its duplicate.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

import tomli_w
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from app.errors import BadInput, BadStudy, NotFound
from app.models import Advice, DraftSave, Staff, Study, StudyContent, StudyVersion

if TYPE_CHECKING:
    from app.studies.schemas import StudySpec

MOST_REASON: Final = 1000  # characters

Columns = TypeVarTuple("Columns")
Stored = TypeVar("Stored", StudyVersion, DraftSave)

FIXED: Final = {
    "plan": "it was frozen then",
    "slug": "people have its address",
    "pairs": "judgements of the same pairs are compared",
    "practice": "everybody practises on the same pairs",
    "checks.pairs": "everybody is checked by the same pairs",
    "checks.regions": "everybody is checked by the same regions",
    "advice": "advice is what arms differ in",
}
"""What no version may change, and why."""


def refuse_fixed(before: "StudySpec", after: "StudySpec") -> None:
    """BadStudy when a version would change what judgements are of."""
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for key, why in FIXED.items():
        if (_material(_at(old, key)) or None) != (_material(_at(new, key)) or None):
            raise BadStudy(
                f"{key}: cannot change once a study was opened, because {why}; duplicate the study."
            )
    kept = after.arms[: len(before.arms)]
    if kept != before.arms:
        raise BadStudy(
            "arms: those of a study that was opened stay as they are, because people were dealt out to them; "
            "new ones are added after the last."
        )
    shown = {Advice.NONE, *(arm.advice for arm in before.arms)}
    if added := [arm.name for arm in after.arms[len(kept) :] if arm.advice not in shown]:
        raise BadStudy(f"arms: {added[0]} shows advice that no arm showed before; duplicate the study.")


def _at(description: Mapping[str, Any], key: str) -> Any:
    value: Any = description
    for part in key.split("."):
        value = (value or {}).get(part)
    return value


def _material(value: Any) -> Any:
    """Without the line of a file that something was read from."""
    if isinstance(value, Mapping):
        return {key: _material(one) for key, one in value.items() if key != "where"}
    return [_material(one) for one in value] if isinstance(value, list) else value


def record(session: Session, study: Study, *, reason: str, staff_id: int | None) -> StudyVersion:
    """Keep what a study says now as its newest version."""
    content = {name: getattr(study, name) for name in CONTENT}
    version = StudyVersion(
        study_id=study.id, number=study.version, reason=reason, made_by=staff_id, **content
    )
    session.add(version)
    session.flush()
    return version


CONTENT: Final = tuple(name for name in StudyContent.__annotations__ if not name.startswith("_"))


def checked_reason(reason: str) -> str:
    said = reason.strip()
    if not said:
        raise BadInput("reason: say in a few words why the study changes; the list of its versions keeps it.")
    if len(said) > MOST_REASON or "\0" in said:
        raise BadInput(f"reason: at most {MOST_REASON} characters.")
    return said


def earlier_version(session: Session, study: Study, given: str) -> StudyVersion | None:
    """The version of that number; None of the newest one, and of a number that there is not."""
    number = int(given) if given.isdecimal() and len(given) < 10 else study.version
    return session.get(StudyVersion, (study.id, number)) if number < study.version else None


def first_version(session: Session, study: Study) -> StudyVersion | None:
    """What the study said when it was opened; None of a draft."""
    return session.get(StudyVersion, (study.id, 1))


def find_version(session: Session, study: Study, number: int) -> StudyVersion:
    found = session.get(StudyVersion, (study.id, number))
    if found is None:
        raise NotFound(f"Study {study.slug} has no version {number}.")
    return found


def stored_versions(session: Session, study: Study) -> Sequence[StudyVersion]:
    """Every version, the oldest first."""
    return session.scalars(_in_order(select(StudyVersion), study)).all()


def _in_order(query: Select[*Columns], study: Study) -> Select[*Columns]:
    return query.where(StudyVersion.study_id == study.id).order_by(StudyVersion.number)


@dataclass(frozen=True, slots=True)
class ChangedKey:
    """What changed under one key of a description; each line with `-` for before or `+` for after."""

    key: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the list of a study's versions."""

    number: int
    made_at: datetime
    made_by: str | None
    """The name of a member of staff; None of a command on the server."""
    reason: str
    differences: tuple[ChangedKey, ...]
    """From the version before."""


def versions_of(session: Session, study: Study) -> list[VersionLine]:
    """Every version of a study, the newest first; none of a draft."""
    query = select(StudyVersion, Staff.name).outerjoin(Staff, Staff.id == StudyVersion.made_by)
    rows = session.execute(_in_order(query, study)).all()
    return [
        VersionLine(version.number, version.made_at, name, version.reason, changed)
        for version, name, changed in with_differences(rows)
    ]


def with_differences(
    rows: Sequence[Row[Stored, str | None]],
) -> list[tuple[Stored, str | None, tuple[ChangedKey, ...]]]:
    """Stored descriptions, given the oldest first, each with its author and what differs from the one before.

    Returned the newest first; the oldest differs in nothing.
    """
    befores = [None, *(stored.spec for stored, _ in rows)]
    lines = [
        (stored, name, tuple(differences(before, stored.spec)) if before is not None else ())
        for before, (stored, name) in zip(befores, rows, strict=False)
    ]
    return lines[::-1]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ChangedKey]:
    """Key by key, what two stored descriptions say differently."""
    old, new = dict(_flat(before)), dict(_flat(after))
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            lines = difflib.unified_diff(_lines(old.get(key)), _lines(new.get(key)), n=0, lineterm="")
            changed = [line for line in list(lines)[2:] if line[:1] in "+-"]
            yield ChangedKey(key, tuple((line[0], line[1:]) for line in changed))


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a description, each by its dotted key; members of lists by their name, id or number."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _flat(one, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value, 1):
            yield from _flat(one, f"{key}.{one.get('name') or one.get('id') or number}")
    elif value not in (None, []):
        yield key, value


def _lines(value: Any) -> Sequence[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return value.splitlines()
    return [tomli_w.dumps({"_": value}).partition("=")[2].strip().replace("\n", " ")]
