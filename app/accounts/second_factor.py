"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The secret of the app has to be read to check a code, so it is sealed as tokens of marketplaces are; of
recovery codes there are hashes.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Final

import pyotp
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.accounts import attempts
from app.errors import BadInput, WrongState
from app.models import RecoveryCode, SecondFactor, Staff, StaffSession
from app.security import token_box, token_hash
from app.settings import Settings

ISSUER: Final = "Cyborg"
WINDOW: Final = 1
"""Steps of 30 s before and after the present one whose codes are taken: clocks differ."""

RECOVERY_CODES: Final = 10
RECOVERY_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, without l, o, 0, 1
WRONG: Final = "This code is not right. Codes change every 30 seconds, and each works once."


def factor_of(session: Session, staff: Staff) -> SecondFactor | None:
    """The second factor of somebody, also one that is being set up."""
    return session.get(SecondFactor, staff.id)


def has_factor(session: Session, staff: Staff) -> bool:
    """Whether logging in takes a code."""
    factor = factor_of(session, staff)
    return factor is not None and factor.confirmed_at is not None


def begin(session: Session, staff: Staff, settings: Settings) -> SecondFactor:
    """A new secret for an app; it counts from `confirm` on. `WrongState`: there is a factor already."""
    if has_factor(session, staff):
        raise WrongState("You have a second factor; remove it before you set up another.")
    session.execute(delete(SecondFactor).where(SecondFactor.staff_id == staff.id))
    factor = SecondFactor(staff_id=staff.id, last_step=0)
    _seal(session, factor, pyotp.random_base32(), settings)
    session.add(factor)
    session.flush()
    return factor


def setup_address(secret: str, staff: Staff) -> str:
    """What the QR code says to an app."""
    return pyotp.TOTP(secret).provisioning_uri(name=staff.email, issuer_name=ISSUER)


def secret_of(session: Session, factor: SecondFactor, settings: Settings) -> str:
    """The secret out of its box; one that an earlier version stored as it is goes into the box.

    `WrongState`: sealed with another `CYBORG_TOKEN_KEY`.
    """
    if factor.sealed_secret is None:
        _seal(session, factor, factor.secret or "", settings)
    return token_box(session, settings).open(factor.sealed_secret or b"", of=_place(factor))


def _seal(session: Session, factor: SecondFactor, secret: str, settings: Settings) -> None:
    factor.sealed_secret = token_box(session, settings).seal(secret, of=_place(factor))
    factor.secret = None


def _place(factor: SecondFactor) -> str:
    return f"second factor {factor.staff_id}"


def confirm(session: Session, staff: Staff, code: str, settings: Settings, *, keep: str) -> list[str]:
    """Turn the factor on by its first code, and end every other login; returns the recovery codes.

    keep : the token of the login that stays
    """
    factor = _locked(session, staff)
    if factor is None or factor.confirmed_at is not None:
        raise WrongState("There is no second factor to confirm; begin again.")
    if not _spend_code(factor, code, secret_of(session, factor, settings)):
        raise BadInput(WRONG)
    factor.confirmed_at = session.scalar(select(func.now()))
    others = StaffSession.staff_id == staff.id, StaffSession.token_hash != token_hash(keep)
    session.execute(delete(StaffSession).where(*others))
    return new_recovery_codes(session, staff)


def new_recovery_codes(session: Session, staff: Staff) -> list[str]:
    """Codes that each replace one code of the app, once; earlier ones are void."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff.id))
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(code_hash=_recovery_hash(code), staff_id=staff.id) for code in codes)
    return codes


def _recovery_code() -> str:
    """Eighty random bits."""
    letters = "".join(secrets.choice(RECOVERY_LETTERS) for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def _recovery_hash(code: str) -> str:
    return token_hash("".join(code.lower().split()).replace("-", ""))


def count_try(session: Session, staff: Staff) -> None:
    """Count a code before it is looked at, in a transaction of its own; `TooManyRequests`: too many."""
    attempts.count(session, attempts.CODES, str(staff.id))


def spend(session: Session, staff: Staff, code: str, settings: Settings) -> bool:
    """Whether this is a recovery code of `staff` or a code of the app; each works once.

    Recovery codes come first: they work even where the app's secret cannot be opened any more.
    """
    factor = _locked(session, staff)
    if factor is None or factor.confirmed_at is None:
        return False
    return _spend_recovery_code(session, staff, code) or _spend_code(
        factor, code, secret_of(session, factor, settings)
    )


def remove(session: Session, staff: Staff) -> None:
    """Log in without a code from now on."""
    if factor_of(session, staff) is None:
        raise WrongState("There is no second factor.")
    for table in (RecoveryCode, SecondFactor):
        session.execute(delete(table).where(table.staff_id == staff.id))


def people_with_factor(session: Session) -> Sequence[int]:
    return session.scalars(select(SecondFactor.staff_id).where(SecondFactor.confirmed_at.is_not(None))).all()


def count_recovery_codes(session: Session, staff: Staff) -> int:
    return session.scalar(select(func.count()).where(RecoveryCode.staff_id == staff.id)) or 0


def _locked(session: Session, staff: Staff) -> SecondFactor | None:
    """Two tries of one person come one by one: a code that both bring works for one of them."""
    return session.get(SecondFactor, staff.id, with_for_update=True, populate_existing=True)


def _spend_code(factor: SecondFactor, code: str, secret: str) -> bool:
    """Compare in constant time with the codes of the steps that may be meant; a step is used once."""
    totp, digits = pyotp.TOTP(secret), "".join(code.split())
    now = int(time.time()) // totp.interval
    for step in range(max(now - WINDOW, factor.last_step + 1), now + WINDOW + 1):
        if pyotp.utils.strings_equal(digits, totp.generate_otp(step)):
            factor.last_step = step
            return True
    return False


def _spend_recovery_code(session: Session, staff: Staff, code: str) -> bool:
    mine = RecoveryCode.staff_id == staff.id, RecoveryCode.code_hash == _recovery_hash(code)
    return session.scalar(delete(RecoveryCode).where(*mine).returning(RecoveryCode.code_hash)) is not None
