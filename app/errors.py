"""The errors that a user can cause or must be told of.

AppError
├── BadInput             422   what was sent cannot be used; nothing was changed
│   ├── NotStorable          a character or a number that the database cannot hold
│   ├── BadStudy             a study description that cannot be carried out
│   ├── BadStrokes           strokes that are not strokes
│   ├── AnnotationMissing    the arm asks for an annotation and none came
│   ├── AnnotationNotAsked   strokes in an arm that does not ask for them
│   ├── AnnotationTooSmall   less is painted than the study's rule wants
│   ├── AnnotationTooLarge   more is painted than the study's rule allows
│   └── ConsentMissing       no consent, or consent to an older text
├── NotAuthenticated     401
│   ├── NotAParticipant      no such participant token
│   └── NotLoggedIn          no staff session
├── NotAllowed           403
│   └── SecondFactorMissing  this role needs a second factor
├── NotFound             404
├── Conflict             409
│   ├── AlreadyDecided       the trial has another decision
│   ├── AlreadyAnswered      the closing questions have other answers
│   ├── PlaceGivenAway       the place lapsed and somebody else took it
│   ├── StudyNotOpen         no more participants are being taken
│   ├── QuotaFull            every judgement that is wanted is taken
│   ├── AlreadyTookPart      this person withdrew or may not repeat
│   ├── BegunElsewhere       this id has a visit, and nothing shows that it is this person's
│   ├── EditedMeanwhile      somebody else changed it since it was read
│   ├── WrongState           the thing is not in a state that allows this
│   ├── MarketplaceRefused   a marketplace will not do what it was asked to
│   └── AlreadyExists        a name that is taken
├── TooSlow              408
├── TooLarge             413
├── TooManyRequests      429
└── Unavailable          503
    ├── StorageUnavailable   the folder or object store of the pictures does not answer, or is full
    └── MarketplaceUnavailable   no answer of a marketplace: what was asked may be done or not

A class is a promise to the client: `code` is its name in snake case and never changes.
"""

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sqlalchemy.exc import IntegrityError


class AppError(Exception):
    """Something went wrong."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after_s: ClassVar[int | None] = None
    """After how many seconds asking again may help; None where it does not."""

    def __init__(
        self, detail: str | None = None, *, way_out: tuple[str | None, str | None] = (None, None)
    ) -> None:
        super().__init__(detail or (self.__doc__ or "").strip())
        self.redirect_url, self.completion_code = way_out
        """The address and the code for a participant whose visit ends here, if the study has them."""

    @classmethod
    def code(cls) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


class BadInput(AppError):
    """What was sent cannot be used."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NotStorable(BadInput):
    """This holds a character or a number that cannot be stored."""


class BadStudy(BadInput):
    """This study cannot be carried out as described."""


class BadStrokes(BadInput):
    """These strokes cannot be read."""


class AnnotationMissing(BadInput):
    """Please paint the parts that made you choose this face."""


class AnnotationNotAsked(BadInput):
    """This study arm does not ask for an annotation."""


class AnnotationTooSmall(BadInput):
    """You painted very little. Please paint a little more."""


class AnnotationTooLarge(BadInput):
    """You painted almost the whole face. Please erase some of it."""


class ConsentMissing(BadInput):
    """The consent text has changed. Please load the page again and read it."""


class NotAuthenticated(AppError):
    """You need to say who you are."""

    status = HTTPStatus.UNAUTHORIZED


class NotAParticipant(NotAuthenticated):
    """This link does not belong to a participant."""


class NotLoggedIn(NotAuthenticated):
    """Please log in."""


class NotAllowed(AppError):
    """You may not do that."""

    status = HTTPStatus.FORBIDDEN


class SecondFactorMissing(NotAllowed):
    """Your role needs a second factor. Set it up under Your account first."""


class NotFound(AppError):
    """There is no such thing."""

    status = HTTPStatus.NOT_FOUND


class Conflict(AppError):
    """The request does not fit the present state."""

    status = HTTPStatus.CONFLICT


class AlreadyDecided(Conflict):
    """This trial already has another decision."""


class AlreadyAnswered(Conflict):
    """These questions already have other answers."""


class PlaceGivenAway(Conflict):
    """This trial was given to somebody else after a long pause."""


class StudyNotOpen(Conflict):
    """This study is not taking participants now."""


class QuotaFull(Conflict):
    """This study has all the participants it needs."""


class AlreadyTookPart(Conflict):
    """You have already taken part in this study."""


class BegunElsewhere(Conflict):
    """A visit with your id was begun elsewhere. Please open the study where you began it."""


class WrongState(Conflict):
    """This cannot be done in the present state."""


class MarketplaceRefused(Conflict):
    """The marketplace refuses."""


class EditedMeanwhile(Conflict):
    """Somebody else changed this study meanwhile; nothing of yours is saved."""


class AlreadyExists(Conflict):
    """That name is taken."""


class TooSlow(AppError):
    """The request did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class TooLarge(AppError):
    """The request is too large."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooManyRequests(AppError):
    """Too many attempts; please wait a minute."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after_s = 60


class Unavailable(AppError):
    """Please try again in a moment."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_s = 3


class StorageUnavailable(Unavailable):
    """The file store does not answer; please try again in a moment."""


class MarketplaceUnavailable(Unavailable):
    """The marketplace does not answer; please try again in a moment."""


CONSTRAINTS: dict[str, type[AppError]] = {
    "uq__decision__trial_id": AlreadyDecided,
    "uq__study__slug": AlreadyExists,
    "uq__staff__email": AlreadyExists,
    "uq__study_link__study_id_label": AlreadyExists,
    "uq__worker_identity__study_id_source_external_id": AlreadyTookPart,
    "ck__quota__taken_within_wanted": QuotaFull,
}
"""The errors that violated constraints of the database stand for."""


def from_integrity_error(error: "IntegrityError") -> AppError | None:
    """The error that a violated constraint stands for; None when only a bug can violate it."""
    diagnostics = getattr(error.orig, "diag", None)
    error_class = CONSTRAINTS.get(getattr(diagnostics, "constraint_name", None) or "")
    return error_class() if error_class else None
