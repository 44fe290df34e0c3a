"""Studies over the API: whoever is logged in reads them, editors change them."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.deps import CurrentStaff, Db, Editor
from app.messages import Answer
from app.models import Study, StudyState
from app.studies import service
from app.studies.copying import copy_study
from app.studies.deviations import plan_report
from app.studies.drafts import SaveLine, find_save, history_of
from app.studies.parts import Name, Slug
from app.studies.pilots import MOST_JUDGEMENTS, start_pilot
from app.studies.progress import list_studies
from app.studies.schemas import StudySpec
from app.studies.toml import description_of, toml_of, written
from app.studies.versions import ChangedKey, VersionLine, find_version, versions_of

router: Final = APIRouter(prefix="/api/studies", tags=["studies"])

TOML: Final = "application/toml; charset=utf-8"


class StudyLine(Answer):
    """A study in the list of all."""

    slug: str
    title: str
    pilot_of: str | None
    """Of a pilot: the study that it tries out."""
    state: StudyState
    created_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None


class ListedStudy(StudyLine):
    """A study in the list of all, with how far it is; as `progress` counts."""

    pairs: int
    participants: int
    wanted: int
    decided: int
    held: int


class StudyDescription(StudyLine):
    """A study with its description, which makes the same study when it is sent back."""

    description: dict[str, Any]
    version: int
    """How often it was opened or changed since."""
    edition: str
    """A name of what it says now; send it as `based_on` of a change."""


class ChangedKeyView(Answer):
    """What changed under one key: lines with `-` for before or `+` for after in front."""

    key: str
    lines: list[str]


class VersionView(Answer):
    """A version of a study, with what changed from the one before."""

    number: int
    made_at: datetime
    made_by: str | None
    reason: str
    differences: list[ChangedKeyView]


class SaveView(Answer):
    """A save of a draft, with what changed from the one before."""

    number: int
    made_at: datetime
    made_by: str | None
    restored: int | None
    """The number of the save that this one brought back."""
    differences: list[ChangedKeyView]


class Copy(BaseModel):
    """What a copy is called."""

    slug: Slug
    title: Name | None = None
    """None: the title of what is copied."""


class PilotBody(BaseModel):
    judgements: int = Field(1, ge=1, le=MOST_JUDGEMENTS)
    """Wanted in the pilot for each pair and question in each arm."""


@router.get("")
def studies(db: Db, _staff: CurrentStaff, *, pilots: bool = False) -> list[ListedStudy]:
    """Every study but pilots, or every pilot; the newest first."""
    found = list_studies(db, service.newest_first(db, pilots=pilots))
    return [ListedStudy.model_validate(_facts(one.study) | one.counts) for one in found]


@router.post("", status_code=201)
def create(db: Db, editor: Editor, description: StudySpec) -> StudyDescription:
    """Make a draft. Maps of advice are named by what the platform keeps already."""
    return view(db, service.create_study(db, description, staff_id=editor.id))


@router.get("/{slug}")
def read(db: Db, _staff: CurrentStaff, slug: str) -> StudyDescription:
    """A study of any state."""
    return view(db, service.find_study(db, slug))


@router.get("/{slug}/study.toml", response_class=Response)
def read_toml(db: Db, _staff: CurrentStaff, slug: str) -> Response:
    """A study of any state as TOML."""
    return Response(toml_of(db, service.find_study(db, slug)), media_type=TOML)


@router.put("/{slug}")
def revise(
    db: Db,
    editor: Editor,
    slug: str,
    description: StudySpec,
    *,
    based_on: str | None = None,
    reason: str = "",
) -> StudyDescription:
    """Make a draft what this description says, its pairs chosen anew; or a version of an open study.

    `based_on`: the edition that was read; without it the change replaces whatever there is. `reason`: of a
    version.
    """
    study = service.find_study(db, slug)
    service.revise(db, study, description, reason=reason, based_on=based_on, staff_id=editor.id)
    return view(db, study)


class DeviationView(Answer):
    """Something that went otherwise than planned."""

    kind: str
    said: str
    at: datetime | None


class PlanView(Answer):
    """A plan as it was frozen, what became of it, and every deviation."""

    plan: dict[str, Any] | None
    hash: str | None
    frozen_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    finished: int
    judgements: int
    wanted: int
    deviations: list[DeviationView]


@router.get("/{slug}/plan")
def read_plan(db: Db, _staff: CurrentStaff, slug: str) -> PlanView:
    """The plan, frozen when the study was opened, and every deviation from it."""
    return PlanView.model_validate(asdict(plan_report(db, service.find_study(db, slug))))


@router.get("/{slug}/versions")
def list_versions(db: Db, _staff: CurrentStaff, slug: str) -> list[VersionView]:
    """Every version of a study that was opened, the newest first."""
    return [version_view(one) for one in versions_of(db, service.find_study(db, slug))]


def version_view(one: VersionLine) -> VersionView:
    return VersionView(
        number=one.number,
        made_at=one.made_at,
        made_by=one.made_by,
        reason=one.reason,
        differences=_differences(one.differences),
    )


def _differences(changed: Iterable[ChangedKey]) -> list[ChangedKeyView]:
    return [ChangedKeyView(key=one.key, lines=[sign + text for sign, text in one.lines]) for one in changed]


@router.get("/{slug}/versions/{version:int}/study.toml", response_class=Response)
def read_version(db: Db, _staff: CurrentStaff, slug: str, version: int) -> Response:
    """One version as TOML."""
    found = find_version(db, service.find_study(db, slug), version)
    return Response(written(found.spec), media_type=TOML)


@router.get("/{slug}/history")
def read_history(db: Db, _staff: CurrentStaff, slug: str) -> list[SaveView]:
    """Every save of a draft, the newest first; of a study that was opened, those before that."""
    return [save_view(one) for one in history_of(db, service.find_study(db, slug))]


def save_view(one: SaveLine) -> SaveView:
    return SaveView(
        number=one.number,
        made_at=one.made_at,
        made_by=one.made_by,
        restored=one.restored,
        differences=_differences(one.differences),
    )


@router.get("/{slug}/history/{number}/study.toml", response_class=Response)
def read_save(db: Db, _staff: CurrentStaff, slug: str, number: int) -> Response:
    """One save as TOML."""
    return Response(written(find_save(db, service.find_study(db, slug), number).spec), media_type=TOML)


@router.post("/{slug}/history/{number}/restore")
def restore(
    db: Db, editor: Editor, slug: str, number: int, *, based_on: str | None = None
) -> StudyDescription:
    """Make a draft what one of its saves says, its pairs chosen anew; that is a save of its own.

    `based_on`: the edition that was read; without it the draft is replaced whatever it says.
    """
    study = service.find_study(db, slug)
    service.restore(db, study, number, based_on=based_on, staff_id=editor.id)
    return view(db, study)


@router.delete("/{slug}", status_code=204)
def delete(db: Db, _editor: Editor, slug: str) -> None:
    """Remove a draft for good."""
    service.delete_draft(db, service.find_study(db, slug))


@router.post("/{slug}/copies", status_code=201)
def copy(db: Db, editor: Editor, slug: str, name: Copy) -> StudyDescription:
    """Make a draft like this study; random pairs are drawn of the images that there are now."""
    study = service.find_study(db, slug)
    return view(db, copy_study(db, study, slug=name.slug, title=name.title, staff_id=editor.id))


@router.post("/{slug}/pilots", status_code=201)
def pilot(db: Db, editor: Editor, slug: str, wanted: PilotBody) -> StudyDescription:
    """Open a pilot of a draft: a study of its own, with the same pairs and texts."""
    study = service.find_study(db, slug)
    return view(db, start_pilot(db, study, judgements=wanted.judgements, staff_id=editor.id))


def view(db: Db, study: Study) -> StudyDescription:
    db.flush()
    said = {"description": description_of(db, study), "edition": service.edition(study)}
    return StudyDescription.model_validate(_facts(study) | said | {"version": study.version})


def _facts(study: Study) -> dict[str, Any]:
    return {name: getattr(study, name) for name in StudyLine.model_fields}
