"""A change of a study on a form: what it is based on, and why it is made."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session
from starlette.datastructures import FormData

from app.flash import Flash
from app.models import Study, StudyState
from app.studies import service
from app.studies.schemas import StudySpec

SAVE_OVER: Final = "What you typed is below. Saving again replaces what is there now, which is kept."


@dataclass(frozen=True, slots=True)
class StudyChange:
    """`based_on`: the edition that the form began with; `reason`: why a version is made."""

    based_on: str
    reason: str = ""

    @classmethod
    def sent(cls, form: FormData) -> "StudyChange":
        return cls(str(form.get("based_on") or ""), str(form.get("reason") or ""))

    @classmethod
    def shown(
        cls, study: Study | None, given: "StudyChange | None", *, is_outdated: bool = False
    ) -> "StudyChange | None":
        """What a form holds when it is shown.

        given : what was sent; None the first time
        is_outdated : somebody else changed the study meanwhile; who is told so may save over it
        """
        if study is None:
            return None
        if given is None or is_outdated:
            return cls(service.edition(study), given.reason if given else "")
        return given

    def make(self, db: Session, study: Study, spec: StudySpec, *, staff_id: int) -> None:
        """Save it, of a draft or as a version; nothing where it is what the study says already."""
        service.revise(db, study, spec, reason=self.reason, based_on=self.based_on or None, staff_id=staff_id)


def saved(study: Study, before: int) -> Flash:
    """`before`: the number of its version until then."""
    if study.state is StudyState.DRAFT:
        return Flash("ok", "The draft is saved.")
    if study.version == before:
        return Flash("ok", "Nothing differs, so there is no new version.")
    return Flash("ok", f"Version {study.version} is what newcomers meet from now on.")
