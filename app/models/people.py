"""Staff, participants, and worker ids, which are kept apart from everything else."""

import enum
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set


class Role(enum.StrEnum):
    ADMIN = "admin"  # everything, and other people's accounts
    EDITOR = "editor"  # studies, images, maps, experiments
    FINANCE = "finance"  # looks and downloads, and payments
    VIEWER = "viewer"  # looks and downloads, no payments

    @property
    def may_edit(self) -> bool:
        """Change studies, images, maps, experiments and participants."""
        return self in {Role.ADMIN, Role.EDITOR}

    @property
    def may_see_payments(self) -> bool:
        """See and download who was paid what."""
        return self in {Role.ADMIN, Role.FINANCE}

    @property
    def purpose(self) -> str:
        """What a person with this role may do, in a few words."""
        return PURPOSES[self]


PURPOSES: Final = {
    Role.ADMIN: "everything, and other people's accounts",
    Role.EDITOR: "studies, images, maps, experiments",
    Role.FINANCE: "looks and downloads, payments too",
    Role.VIEWER: "looks and downloads",
}


class Staff(Base):
    __tablename__ = "staff"

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(closed_set(Role, "role"))
    password_hash: Mapped[str | None]
    created_at: Mapped[Now]
    disabled_at: Mapped[datetime | None]


class StaffSession(Base):
    """A login. The browser holds the token; only its SHA-256 is stored."""

    __tablename__ = "staff_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    awaits_code: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The password was right, and the code of the second factor has not come yet: it opens nothing."""


class SecondFactor(Base):
    """An authenticator app of a member of staff."""

    __tablename__ = "second_factor"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    sealed_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The app's secret in base 32, sealed (`app.security.TokenBox`); a code cannot be checked without it."""
    secret: Mapped[str | None]
    """The same as earlier versions stored it; sealed at the next code."""
    created_at: Mapped[Now]
    confirmed_at: Mapped[datetime | None]
    """When its first code came; before that it counts for nothing."""
    last_step: Mapped[int] = mapped_column(BigInteger)
    """The step of 30 s of the last code that was used: none of that step or before is taken again."""

    __table_args__ = (CheckConstraint("num_nonnulls(secret, sealed_secret) = 1", name="secret_once"),)


class RecoveryCode(Base):
    """Replaces one code of the app; the row goes with its use."""

    __tablename__ = "recovery_code"

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)


class LoginLink(Base):
    """A link that logs its owner in once; using it deletes the row."""

    __tablename__ = "login_link"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]


class TokenScope(enum.StrEnum):
    """What an API token may do, beside reading; never more than its owner."""

    EDIT = "edit"  # what editors may
    PAYMENTS = "payments"  # see and download payments


class ApiToken(Base):
    """Lets a program act for its owner. The owner has the token; only its SHA-256 is stored."""

    __tablename__ = "api_token"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[Any]] = mapped_column(JSONB)
    """Values of `TokenScope`."""
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    """To the minute."""
    revoked_at: Mapped[datetime | None]


class PasswordTries(Base):
    """Recent tries of a password; the key is a hash of the account and the address they came from."""

    __tablename__ = "password_tries"

    key_hash: Mapped[str] = mapped_column(primary_key=True)
    used_until: Mapped[datetime] = mapped_column(index=True)
    """The later it is, the fewer tries are left; `app.accounts.attempts`."""


class Source(enum.StrEnum):
    LINK = "link"  # a plain link
    MTURK = "mturk"
    PROLIFIC = "prolific"
    PANEL = "panel"  # another panel, by the parameters that the study maps
    SIMULATED = "simulated"  # a program, never a person


class ParticipantState(enum.StrEnum):
    ACTIVE = "active"  # consented, still on their way
    FINISHED = "finished"  # active -> finished: every trial is decided, every closing question answered
    SCREENED_OUT = "screened_out"  # active -> screened_out: quiz or checks failed; places given to others
    WITHDRAWN = "withdrawn"  # any -> withdrawn: raw data removed


class Screening(enum.StrEnum):
    """What ended a visit early."""

    QUIZ = "quiz"
    CHECKS = "checks"


REFERENCE_LENGTH: Final = 8  # hexadecimal digits


class Participant(Base):
    """One person in one study, known by a random id."""

    __tablename__ = "participant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    arm_id: Mapped[int] = mapped_column(ForeignKey("arm.id"))
    source: Mapped[Source] = mapped_column(closed_set(Source, "source"))
    state: Mapped[ParticipantState] = mapped_column(
        closed_set(ParticipantState, "state"), default=ParticipantState.ACTIVE
    )
    study_version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """The version of the study in which they began, and which they meet to the end."""
    consent_version: Mapped[str]
    consented_at: Mapped[Now]
    lease_expires_at: Mapped[datetime]
    """Until then the undecided trials are kept for this participant; every request renews it."""
    finished_at: Mapped[datetime | None]
    screened_out_at: Mapped[datetime | None]
    screened_out_by: Mapped[Screening | None] = mapped_column(closed_set(Screening, "screened_out_by"))
    completion_code: Mapped[str | None] = mapped_column(unique=True)
    client: Mapped[Json]
    device: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """The last report of the page's device check."""
    quiz_passed_at: Mapped[datetime | None]
    answers: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """To the closing questions, by their id."""
    answered_at: Mapped[datetime | None]
    pastes: Mapped[int | None]
    """Into text fields of the closing questions, without what it was; None where the page did not count."""
    drops: Mapped[int | None]
    """The same of text that was dragged there."""
    excluded_at: Mapped[datetime | None]
    """When the rules of the study left them out; what they did is kept, and counts as nobody's judgement."""
    exclusion: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """`rules`, as they were then, and `reasons`: each a rule, what was found, and the limit."""

    __table_args__ = (
        CheckConstraint("num_nulls(excluded_at, exclusion) IN (0, 2)", name="exclusion_whole"),
        Index("ix__participant__study_id_state", "study_id", "state", "lease_expires_at"),
        Index("ix__participant__newest", "study_id", "consented_at", "id"),
    )

    @property
    def is_simulated(self) -> bool:
        return self.source is Source.SIMULATED

    @property
    def reference(self) -> str:
        """What a participant quotes when they write; staff pages show it beside the whole id."""
        return self.id.hex[:REFERENCE_LENGTH]


class ParticipantToken(Base):
    """A browser that may act for a participant; only the SHA-256 of its token is stored."""

    __tablename__ = "participant_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Now]


class ReturnLink(Base):
    """A link by which staff let a participant back in, once; only a hash of its code is stored."""

    __tablename__ = "return_link"

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]


class QuizAttempt(Base):
    """One attempt of a participant at the comprehension quiz."""

    __tablename__ = "quiz_attempt"

    id: Mapped[Id]
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    number: Mapped[int]
    answers: Mapped[Json]
    """Question id to the option chosen, counted from 1."""
    wrong: Mapped[list[Any]] = mapped_column(JSONB)
    """Ids of the questions answered wrongly."""
    attempted_at: Mapped[Now]

    __table_args__ = (UniqueConstraint("participant_id", "number"),)

    @property
    def passed(self) -> bool:
        return not self.wrong


class LinkKind(enum.StrEnum):
    """Whom a link of a study lets in."""

    SINGLE_USE = "single_use"  # one person, in the browser in which they begin
    PERSONAL = "personal"  # one person, in any browser that has the address
    REUSABLE = "reusable"  # any number of people, each with a visit of their own

    @property
    def purpose(self) -> str:
        """Whom it lets in, in a few words."""
        return LINK_PURPOSES[self]


LINK_PURPOSES: Final = {
    LinkKind.SINGLE_USE: "one person, in the browser in which they begin",
    LinkKind.PERSONAL: "one person, in any browser",
    LinkKind.REUSABLE: "any number of people",
}


class StudyLink(Base):
    """A link into a study, and who has it. Its token is made of `key` and is not stored (`app.security`)."""

    __tablename__ = "study_link"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    kind: Mapped[LinkKind] = mapped_column(closed_set(LinkKind, "kind"))
    label: Mapped[str]
    """Who has it, in a name that staff gave: no e-mail address."""
    key: Mapped[UUID] = mapped_column(default=uuid4)
    identity: Mapped[str] = mapped_column(unique=True)
    """What its token stands for; of one person's link also the `external_id` of their visit."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]
    withdrawn_at: Mapped[datetime | None]
    """Since then it lets nobody new in."""

    __table_args__ = (UniqueConstraint("study_id", "label"),)


class WorkerIdentity(Base):
    """Who to pay, and who came before. Read by recruitment alone; never exported, never logged.

    Whoever came by a plain link is known by the SHA-256 of their link token.
    """

    __tablename__ = "worker_identity"

    participant_id: Mapped[UUID] = mapped_column(
        ForeignKey("participant.id", ondelete="CASCADE"), primary_key=True
    )
    study_id: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[Source] = mapped_column(closed_set(Source, "source"))
    external_id: Mapped[str]
    assignment_id: Mapped[str | None]
    """MTurk's assignment, Prolific's submission, or a secret of the page; it reopens the visit."""
    link_id: Mapped[int | None] = mapped_column(ForeignKey("study_link.id", ondelete="SET NULL"), index=True)
    """The study's link that somebody came by; None of all others."""

    __table_args__ = (UniqueConstraint("study_id", "source", "external_id"),)


class Secret(Base):
    """Made once for each database, shared by every process."""

    __tablename__ = "secret"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)
