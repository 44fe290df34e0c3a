"""The only place that reads the environment."""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ORIGIN: Final = re.compile(r"(https?)://([^\s/?#@\\]+?)/?", re.IGNORECASE)
DATABASE: Final = re.compile(r"postgres(ql)?(\+\w+)?://.+", re.DOTALL)
STORAGE: Final = re.compile(r"[a-z][a-z0-9+.-]*://.+|/.*", re.DOTALL)
ROLES: Final = ("admin", "editor", "finance", "viewer")
FRAMING_SITE: Final = re.compile(r"'self'|https?:|(https?://)?[\w*.-]+(:\d+)?")


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _origin(value: str) -> str:
    """`https://host[:port]`, what a browser counts as one site; pages are served at its root only."""
    origin = ORIGIN.fullmatch(value.strip())
    port = origin and re.search(r":(\d*)$", origin[2])
    if origin is None or (port and not 0 < int(port[1] or 0) <= 65535):
        raise ValueError("must be like https://lab.example, without a path")
    return f"{origin[1].lower()}://{origin[2].lower()}"


def _database(value: str | None) -> str | None:
    if value is not None and not DATABASE.fullmatch(value):
        raise ValueError("must be like postgresql://user:password@host/name")  # the value holds a password
    return value


def _storage(value: str | None) -> str | None:
    if value is not None and not STORAGE.fullmatch(value):
        raise ValueError("must be like s3://bucket/prefix, or a folder from / on")
    return value


def _folder(value: Path) -> Path:
    if value == Path():
        raise ValueError("must be a folder of its own")
    return value.expanduser()


def _sites(value: str) -> str:
    """Sources of a Content-Security-Policy; anything else could end its directive and begin another."""
    sites = value.split() or ["'none'"]
    if sites != ["'none'"] and not all(FRAMING_SITE.fullmatch(site) for site in sites):
        raise ValueError("must be sites with spaces between them, like https://*.mturk.com, or 'none'")
    return " ".join(sites)


def _roles(value: str) -> str:
    names = value.replace(",", " ").lower().split()
    if unknown := [name for name in names if name not in ROLES]:
        raise ValueError(f"must be roles, like admin editor; there is no role {unknown[0]}")
    return " ".join(names)


def _networks(value: str) -> str:
    try:
        return " ".join(str(ip_network(network, strict=False)) for network in value.replace(",", " ").split())
    except ValueError:
        raise ValueError("must be addresses or networks, like 10.0.0.2 172.16.0.0/12") from None


def _web_address(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if value and not (parts.scheme in ("https", "http") and parts.hostname):
        raise ValueError("must be like https://lab.example/hook")
    return value


def _mail_server(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if value and not (parts.scheme in ("smtp", "smtps") and parts.hostname):
        raise ValueError("must be like smtp://user:password@host:587 or smtps://host")
    return value


def _mail_addresses(value: str) -> str:
    addresses = value.replace(",", " ").split()
    if any(not re.fullmatch(r"[^@\s]+@[^@\s]+", one) for one in addresses):
        raise ValueError("must be e-mail addresses with spaces between them")
    return " ".join(addresses)


class Settings(BaseSettings):
    """Read once at start, frozen, passed in. Every field is an environment variable `CYBORG_…`."""

    model_config = SettingsConfigDict(env_prefix="CYBORG_", env_file=".env", frozen=True, extra="ignore")

    data_dir: Annotated[Path, AfterValidator(_folder)] = Path("data")
    """Folder of everything this machine keeps: the embedded database, blobs, datasets, runs."""

    database_url: Annotated[str | None, BeforeValidator(_blank_is_none), AfterValidator(_database)] = None
    """`postgresql://user:password@host/name`; unset: an embedded PostgreSQL server in the data folder."""

    storage_url: Annotated[str | None, BeforeValidator(_blank_is_none), AfterValidator(_storage)] = None
    """fsspec URL of the blobs, for example `s3://bucket/prefix`; unset: a folder in the data folder."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8000, ge=0, le=65535)

    public_url: Annotated[str, AfterValidator(_origin)] = Field(
        default_factory=lambda known: f"http://127.0.0.1:{known.get('port') or 8000}"
    )
    """Where people reach the platform; https here makes cookies `Secure`."""

    hsts: timedelta = Field(timedelta(days=180), ge=timedelta(0), le=timedelta(days=3650))
    """How long browsers remember that the platform is reached by https alone; nothing where it is not."""

    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    """Addresses or networks of the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""

    web_processes: int = Field(1, ge=1, le=256)
    """Number of uvicorn processes that `cyborg serve` starts."""

    participant_requests: int = Field(4, ge=1, le=100)
    """Requests of participants at work at once in each web process; more threads wait for each other."""

    devices: int = Field(1, ge=1, le=100_000)
    """Number of training devices: at most one run at a time on each, over all workers."""

    runs_per_card: int = Field(1, ge=1, le=100)
    """Runs at a time on one graphics card, where several device numbers fall on it."""

    session_lifetime: timedelta = Field(timedelta(hours=12), gt=timedelta(0), le=timedelta(days=366))
    """How long a staff login lasts."""

    second_factor_for: Annotated[str, AfterValidator(_roles)] = ""
    """Roles that need a second factor, with spaces between them: admin editor finance viewer."""

    max_body_bytes: int = Field(4_000_000, ge=100_000, le=1_000_000_000)
    """Largest request body; a long annotation is about 100 kB."""

    picture_memory_bytes: int = Field(64_000_000, ge=0, le=100_000_000_000)
    """Pictures that each web process keeps ready to be sent; a face of 512 pixels has about 60 kB."""

    enrolments_per_minute: int = Field(30, ge=1, le=1_000_000)
    """New participants from one address, for each web process; simulated ones do not count."""

    frame_ancestors: Annotated[str, AfterValidator(_sites)] = "https://*.mturk.com https://*.mturkcontent.com"
    """Sites that may show a participant's page in a frame."""

    prolific_url: Annotated[str, AfterValidator(_origin)] = "https://api.prolific.com"
    """Where Prolific's API is."""

    mturk_url: Annotated[str, AfterValidator(_origin)] = "https://mturk-requester.us-east-1.amazonaws.com"
    """Where an API is that speaks MTurk's protocol. MTurk itself closed for good on 30 September 2026."""

    bonuses_settle: timedelta = Field(timedelta(hours=1), gt=timedelta(0), le=timedelta(days=30))
    """After that long staff are asked about a bonus that was sent and that the marketplace does not show.
    Prolific pays within minutes."""

    token_key: SecretStr = SecretStr("")
    """Mixed into the key that tokens of marketplaces are sealed with: with one, a copy of the database alone
    opens none."""

    stalled_after: timedelta = Field(timedelta(hours=6), ge=timedelta(minutes=10), le=timedelta(days=3))
    """A study that is open and has for so long neither a new participant nor a judgement is stalled."""

    flagged_share: float = Field(0.2, ge=0, lt=1)
    """More than this share of those who finished with a quality flag is an alert."""

    alert_webhook_url: Annotated[SecretStr, AfterValidator(_web_address)] = SecretStr("")
    """Where alerts are posted; its address may itself be a secret."""

    alert_webhook_secret: SecretStr = SecretStr("")
    """What posted alerts are signed with (Standard Webhooks); needed for them."""

    alert_mail_to: Annotated[str, AfterValidator(_mail_addresses)] = ""
    """Who gets alerts by mail, with spaces between them."""

    alert_mail_from: str = ""
    """The sender of that mail; unset: the first who gets it."""

    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] = SecretStr("")
    """The server that takes mail, needed for alerts by mail: `smtp://user:password@host:587`, `smtps://host`."""

    log_format: Literal["auto", "json", "plain"] = "auto"
    """Of the log on standard error; auto: plain on a terminal, JSON anywhere else."""

    @model_validator(mode="after")
    def _alerts_are_whole(self) -> "Settings":
        if self.alert_webhook_url.get_secret_value() and not self.alert_webhook_secret.get_secret_value():
            raise ValueError("CYBORG_ALERT_WEBHOOK_URL needs CYBORG_ALERT_WEBHOOK_SECRET to sign with")
        if self.alert_mail_to and not self.smtp_url.get_secret_value():
            raise ValueError("CYBORG_ALERT_MAIL_TO needs CYBORG_SMTP_URL to send with")
        return self

    @property
    def secure_cookies(self) -> bool:
        return self.public_url.startswith("https:")

    @property
    def blobs_url(self) -> str:
        # Not `as_uri`: fsspec takes what follows "file://" as it stands, a percent sign for a percent sign.
        return self.storage_url or f"file://{self.data_dir.resolve() / 'blobs'}"

    @property
    def datasets_dir(self) -> Path:
        return self.data_dir.resolve() / "datasets"

    @property
    def runs_dir(self) -> Path:
        return self.data_dir.resolve() / "runs"
