"""What the account forms send."""

from pydantic import BaseModel, ConfigDict, Field


def plain_address(email: str) -> str:
    """The e-mail in lower case; ValueError unless it has the shape of an address."""
    name, at, host = email.partition("@")
    blank = any(letter.isspace() or not letter.isprintable() for letter in email)
    if not (name and at and host) or "@" in host or blank or len(email) > 200:
        raise ValueError(f"{email!r} is not an e-mail address.")
    return email.lower()


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    email: str = Field(max_length=200)
    password: str = Field(max_length=1000)
    next: str = ""


class PasswordChange(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    current: str = Field("", max_length=1000)
    new: str = Field(max_length=1000)
    again: str = Field(max_length=1000)
