"""Tokens, passwords, rate limits."""

import base64
import hashlib
import hmac
import secrets
from threading import Lock
from typing import Final
from uuid import UUID

import argon2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pwdlib import PasswordHash
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import TooManyRequests, WrongState
from app.models import Secret
from app.settings import Settings

passwords: Final = PasswordHash.recommended()

ONE_AT_A_TIME: Final = Lock()
"""Held while a password is checked, which takes 64 MB and a core: a flood of logins waits its turn."""


def _no_passwords_hash() -> str:
    """A string in the format of a password's hash that fits no password; a real hash would take .2 s."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (argon2.DEFAULT_RANDOM_SALT_LENGTH, argon2.DEFAULT_HASH_LENGTH)
    )
    cost = f"m={argon2.DEFAULT_MEMORY_COST},t={argon2.DEFAULT_TIME_COST},p={argon2.DEFAULT_PARALLELISM}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


# Verified when no account has the e-mail, so that unknown and known addresses take the same time.
NO_PASSWORDS_HASH: Final = _no_passwords_hash()


def new_token() -> str:
    """256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def link_secret(session: Session) -> bytes:
    """The secret of this installation."""
    return session.scalars(select(Secret.value).where(Secret.name == "links")).one()


def new_link_token(secret: bytes) -> str:
    """A random id for a person who comes without one, signed so that it cannot be made up."""
    identity = secrets.token_urlsafe(16)
    return f"{identity}.{_signature(secret, identity)}"


def study_link_token(secret: bytes, key: UUID) -> str:
    """The link token of a study's link: the same for the same key, and not to be made without the secret."""
    digest = hmac.digest(secret, b"link of a study " + key.bytes, "sha256")
    identity = base64.urlsafe_b64encode(digest[:18]).decode()
    return f"{identity}.{_signature(secret, identity)}"


def link_identity(secret: bytes, token: str) -> str | None:
    """What is stored of the person whom a link token stands for; None when its signature is false."""
    identity, _, signature = token.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(secret, identity).encode()):
        return None
    return token_hash(identity)


def _signature(secret: bytes, identity: str) -> str:
    digest = hmac.digest(secret, identity.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:24]).decode()


class TokenBox:
    """Seals what must be kept and never shown: tokens of marketplaces, secrets of second factors (AES-SIV,
    RFC 5297).

    secret : of the installation
    extra : mixed in; with one, the database alone does not open the box
    """

    def __init__(self, secret: bytes, *, extra: str = "") -> None:
        derived = HKDF(SHA512(), length=64, salt=extra.encode() or None, info=b"cyborg marketplace tokens")
        self._cipher = AESSIV(derived.derive(secret))

    def seal(self, token: str, *, of: str) -> bytes:
        """`of`: what it belongs to; it opens as nothing else."""
        return self._cipher.encrypt(token.encode(), [of.encode()])

    def open(self, sealed: bytes, *, of: str) -> str:
        """`WrongState`: sealed with another key."""
        try:
            return self._cipher.decrypt(sealed, [of.encode()]).decode()
        except InvalidTag:
            raise WrongState(
                "What is sealed cannot be opened: CYBORG_TOKEN_KEY is not what it was. Connect again."
            ) from None


def token_box(session: Session, settings: Settings) -> TokenBox:
    return TokenBox(link_secret(session), extra=settings.token_key.get_secret_value())


class RateLimit:
    """Limits how often one key may do something; each web process counts for itself."""

    def __init__(self, rate: str, complaint: str) -> None:
        self._rate = parse(rate)
        self._complaint = complaint
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, *key: str) -> None:
        """Count one action of `key`; `TooManyRequests`, and nothing counted, after too many lately."""
        if not self._limiter.hit(self._rate, *key):
            raise TooManyRequests(self._complaint)
