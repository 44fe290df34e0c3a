"""The only place that reads the environment."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at start, frozen, passed in. Every field is an environment variable `CYBORG_…`."""

    model_config = SettingsConfigDict(
        env_prefix="CYBORG_",
        env_file=".env",
        env_file_encoding="utf-8-sig",  # an editor's byte order mark would hide the first setting
        frozen=True,
        extra="ignore",
    )

    data_dir: Path = Path("data")
    """Folder of everything this machine keeps: the embedded database, blobs, datasets, runs."""

    database_url: str | None = None
    """`postgresql://user:password@host/name`; unset: an embedded PostgreSQL server in the data folder."""

    storage_url: str | None = None
    """fsspec URL of the blobs, for example `s3://bucket/prefix`; unset: a folder in the data folder."""

    public_url: str = "http://127.0.0.1:8000"
    """Where people reach the platform; https here makes cookies `Secure`."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    web_processes: int = Field(1, ge=1)
    """Number of uvicorn processes that `cyborg serve` starts."""

    devices: int = Field(1, ge=1)
    """Number of training devices: at most one run at a time on each, over all workers."""

    session_lifetime: timedelta = timedelta(hours=12)
    """How long a staff login lasts."""

    max_body_bytes: int = Field(4_000_000, ge=100_000)
    """Largest request body; a long annotation is about 100 kB."""

    enrolments_per_minute: int = Field(30, ge=1)
    """New participants from one address, for each web process; simulated ones do not count."""

    frame_ancestors: str = "https://*.mturk.com https://*.mturkcontent.com"
    """Sites that may show a participant's page in a frame."""

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
