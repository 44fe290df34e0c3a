"""Create, edit, delete, open, pause and close studies."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import (
    AlreadyExists,
    EditedMeanwhile,
    NotFound,
    WrongState,
    from_integrity_error,
)
from app.models import (
    DraftSave,
    Pair,
    Participant,
    Staff,
    Study,
    StudyContent,
    StudyState,
    StudyVersion,
    TrialKind,
)
from app.storage import BlobStore
from app.studies import drafts, versions
from app.studies.frozen_plan import freeze
from app.studies.parts import AboutSpec
from app.studies.places import release_undecided
from app.studies.plan import visit_column

if TYPE_CHECKING:
    from app.studies.schemas import StudySpec


def find_study(session: Session, slug: str) -> Study:
    study = session.scalar(select(Study).where(Study.slug == slug))
    if study is None:
        raise NotFound(f"There is no study called {slug!r}.")
    return study


def newest_first(session: Session, *, pilots: bool = False) -> Sequence[Study]:
    """Studies that count, or with `pilots` those that try out another one."""
    return session.scalars(select(Study).where(is_real() != pilots).order_by(Study.id.desc())).all()


def is_real() -> ColumnElement[bool]:
    """Of studies, those that are no pilot: lists hold them, and datasets are made of them."""
    return Study.pilot_of.is_(None)


def create_study(
    session: Session, spec: "StudySpec", *, staff_id: int | None = None, blobs: BlobStore | None = None
) -> Study:
    """A draft with everything it shows. BadStudy when it cannot be carried out.

    blobs : where maps of advice are kept that the description names as files of this machine; without it
        it may name none
    """
    # Loaded when a study is made: it reads files and pictures, and most commands do neither.
    from app.studies import building

    checked = building.check(session, spec, blobs=blobs)
    study = add_row(session, checked.spec, created_by=staff_id)
    building.build(session, study, checked)
    drafts.keep(session, study, staff_id=staff_id)
    return study


def add_row(session: Session, spec: "StudySpec", **columns: Any) -> Study:
    """The row of a new study, which shows nothing yet."""
    study = Study(**_columns(spec), **columns)
    session.add(study)
    _flush(session, spec.slug)
    return study


EDITABLE: Final = (StudyState.DRAFT, StudyState.OPEN, StudyState.PAUSED)
"""A draft is edited; a study that was opened gets another version."""


def revise(
    session: Session,
    study: Study,
    spec: "StudySpec",
    *,
    reason: str = "",
    based_on: str | None = None,
    staff_id: int | None = None,
    blobs: BlobStore | None = None,
) -> None:
    """Make a draft what another description says, or a new version of a study that was opened.

    What an open study says already makes no version.

    reason : why, of a version
    based_on : the `edition` that was read before; None to change whatever is there
    blobs : as in `create_study`
    `EditedMeanwhile`: there is another edition now
    """
    _lock(session, study, "edited", *EDITABLE)
    _refuse_other_editions(session, study, based_on)
    if study.state is StudyState.DRAFT:
        _revise_draft(session, study, spec, blobs=blobs)
        drafts.keep(session, study, staff_id=staff_id)
    else:
        _add_version(session, study, spec, reason=reason, staff_id=staff_id)


def restore(
    session: Session,
    study: Study,
    number: int,
    *,
    based_on: str | None = None,
    staff_id: int | None = None,
    blobs: BlobStore | None = None,
) -> None:
    """Make a draft what one of its saves says, its pairs chosen anew; that is a save of its own.

    based_on, blobs : as in `revise`
    `NotFound`: there is no such save; `BadStudy`: what it says cannot be carried out today
    """
    from app.studies.schemas import stored_spec

    lock_draft(session, study, "restored")
    _refuse_other_editions(session, study, based_on)
    spec = stored_spec(drafts.find_save(session, study, number).spec)
    _revise_draft(session, study, spec, blobs=blobs)
    drafts.keep(session, study, restored=number, staff_id=staff_id)


def _refuse_other_editions(session: Session, study: Study, based_on: str | None) -> None:
    if based_on is None or based_on == edition(study):
        return
    name, at = _last_change(session, study)
    raise EditedMeanwhile(
        f"{name} saved this study on {at:%-d %b %Y at %H:%M} UTC, after you began; nothing of yours is saved."
    )


def _last_change(session: Session, study: Study) -> tuple[str, datetime]:
    """Who saved a study last, and when."""
    if study.state is StudyState.DRAFT:
        last: DraftSave | StudyVersion | None = drafts.last_save(session, study)
    else:
        last = session.get(StudyVersion, (study.id, study.version))
    if last is None:
        return "Somebody", study.created_at
    by = session.get(Staff, last.made_by) if last.made_by is not None else None
    return by.name if by else "A command", last.made_at.astimezone(UTC)


def edition(study: Study) -> str:
    """A short name of what a study says now: two people who read the same edition have read the same."""
    return hashlib.sha256(json.dumps(study.spec, sort_keys=True).encode()).hexdigest()[:16]


def _revise_draft(session: Session, study: Study, spec: "StudySpec", *, blobs: BlobStore | None) -> None:
    """Its pairs are chosen anew."""
    from app.studies import building

    checked = building.check(session, spec, blobs=blobs)
    session.execute(update(Study).where(Study.pilot_of == study.slug).values(pilot_of=spec.slug))
    for name, value in _columns(checked.spec).items():
        setattr(study, name, value)
    _flush(session, spec.slug)
    building.clear(session, study)
    building.build(session, study, checked)


def _add_version(
    session: Session, study: Study, spec: "StudySpec", *, reason: str, staff_id: int | None
) -> None:
    from app.studies import building
    from app.studies.schemas import StudySpec
    from app.studies.toml import description_of

    before = StudySpec.model_validate(description_of(session, study))
    versions.refuse_fixed(before, spec)
    columns = _columns(spec)
    if not list(versions.differences(before.model_dump(mode="json"), columns["spec"])):
        return
    why = versions.checked_reason(reason)
    building.extend(session, study, spec)
    for name, value in columns.items():
        setattr(study, name, value)
    study.version += 1
    versions.record(session, study, reason=why, staff_id=staff_id)


def delete_draft(session: Session, study: Study) -> None:
    """Remove a study that was never opened, with all it shows; its name is free again."""
    from app.studies import building

    _lock(session, study, "deleted", StudyState.DRAFT)
    if pilots := session.scalars(select(Study.slug).where(Study.pilot_of == study.slug)).all():
        raise WrongState(f"Study {study.slug} has the pilot {pilots[0]}; a study that was piloted stays.")
    building.clear(session, study)
    session.delete(study)
    session.flush()


def _flush(session: Session, slug: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        if isinstance(from_integrity_error(error), AlreadyExists):
            raise AlreadyExists(f"There is a study {slug} already.") from None
        raise


def _columns(spec: "StudySpec") -> dict[str, Any]:
    """What the row of a study keeps of its description."""
    return {"slug": spec.slug, **content_of(spec)}


def content_of(spec: "StudySpec") -> dict[str, Any]:
    """What a version of a study keeps of its description."""
    return {
        "title": spec.title,
        "trials_per_participant": spec.trials_per_participant,
        "judgements": spec.judgements,
        "min_strokes": spec.annotation.min_strokes,
        "min_area": spec.annotation.min_area,
        "max_area": spec.annotation.max_area,
        "lease": timedelta(minutes=spec.lease_minutes),
        "consent": spec.consent,
        "consent_version": consent_version(spec),
        "instructions": spec.instructions,
        "completion_url": spec.completion_url,
        "accepts_simulated": spec.accepts_simulated,
        "debrief": spec.debrief,
        "visit": visit_column(spec),
        "spec": spec.model_dump(mode="json"),
    }


def consent_version(spec: "StudySpec") -> str:
    """A short name of what participants agree to: another text, or another line above it, another name."""
    above = "".join(f"{name}: {words}\n" for name, words in spec.about.lines())
    return hashlib.sha256((above + spec.consent).encode()).hexdigest()[:12]


def about_lines(content: StudyContent) -> list[tuple[str, str]]:
    """What stands above the consent text, line by line; nothing in a study that says nothing there."""
    return AboutSpec.model_validate(content.spec.get("about") or {}).lines()


def count_pairs(session: Session, study: Study) -> int:
    """Pairs that count; those of practice and checks come on top."""
    main = (Pair.study_id == study.id, Pair.kind == TrialKind.MAIN)
    return session.scalar(select(func.count()).where(*main)) or 0


def open_study(session: Session, study: Study, *, staff_id: int | None = None) -> Study:
    """Take participants. A draft or a paused study can be opened; of a draft the pairs are checked again."""
    _lock(session, study, "opened", StudyState.DRAFT, StudyState.PAUSED)
    if study.state is StudyState.DRAFT:
        from app.studies.building import check_stored_pairs

        check_stored_pairs(session, study)
    _settle_pilots(session, study)
    if study.state is StudyState.DRAFT:
        versions.record(session, study, reason="Opened.", staff_id=staff_id)
        freeze(study)
    study.state = StudyState.OPEN
    study.opened_at = study.opened_at or datetime.now(UTC)
    return study


def _settle_pilots(session: Session, study: Study) -> None:
    """No pilot takes people once its study does: its people are turned away there."""
    original = session.scalar(select(Study.state).where(Study.slug == study.pilot_of))
    if original not in (None, StudyState.DRAFT):
        raise WrongState(f"Study {study.pilot_of} has been opened; its pilots take nobody any more.")
    is_open = (Study.pilot_of == study.slug) & (Study.state == StudyState.OPEN)
    session.execute(update(Study).where(is_open).values(state=StudyState.PAUSED))


def pause_study(session: Session, study: Study) -> Study:
    """Let nobody new in; whoever is in may finish."""
    _lock(session, study, "paused", StudyState.OPEN)
    study.state = StudyState.PAUSED
    return study


def close_study(session: Session, study: Study) -> Study:
    """End the study for good; what nobody has decided by then is given back."""
    _lock(session, study, "closed", StudyState.OPEN, StudyState.PAUSED)
    release_undecided(session, Participant.study_id == study.id)
    study.state = StudyState.CLOSED
    study.closed_at = datetime.now(UTC)
    return study


def must_be_editable(study: Study) -> None:
    """WrongState unless it can be edited."""
    _refuse_other_states(study, "edited", *EDITABLE)


def lock_draft(session: Session, study: Study, verb: str) -> None:
    """Hold a draft until the transaction ends; WrongState when it is none."""
    _lock(session, study, verb, StudyState.DRAFT)


def _lock(session: Session, study: Study, verb: str, *states: StudyState) -> None:
    """Hold the study's row, so that its state is still this one when the transaction commits."""
    session.flush()  # refreshing would discard what is not written yet
    session.refresh(study, with_for_update=True)
    _refuse_other_states(study, verb, *states)


def _refuse_other_states(study: Study, verb: str, *states: StudyState) -> None:
    if study.state not in states:
        raise WrongState(
            f"Study {study.slug} is {study.state}; only one that is {' or '.join(states)} can be {verb}."
        )
