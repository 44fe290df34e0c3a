"""What a study description may say. Every key is documented in `docs/studies.md`."""

import csv
import io
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import BadStudy
from app.models import Advice
from app.studies import texts

SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PAIR_HEADER: Final = ["real", "fake"]


def _slug(text: str) -> str:
    if not SLUG.fullmatch(text):
        raise ValueError(
            "must be lower-case letters, digits and single hyphens, because it is in the address."
        )
    return text


def _written(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty.")
    if "\0" in text:
        raise ValueError("must not hold a NUL character.")
    return text


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must be an address that begins with https://")
    return url


def _advice_now(advice: Advice) -> Advice:
    if advice is not Advice.NONE:
        raise ValueError('only "none" can be shown: models do not advise participants yet.')
    return advice


Text = Annotated[str, AfterValidator(_written)]
Name = Annotated[Text, Field(max_length=200)]


class Part(BaseModel):
    """A misspelt key is an error, never a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ArmSpec(Part):
    """A between-subject condition."""

    name: Annotated[str, Field(max_length=60), AfterValidator(_slug)]
    annotate: bool
    """Whether participants paint on the face they chose."""
    advice: Annotated[Advice, AfterValidator(_advice_now)] = Advice.NONE


class ListedPair(Part):
    """Two images by content hash or file name; `where` is the line that lists them."""

    real: Text
    fake: Text
    where: str = "pairs"


class PairsSpec(Part):
    """Either `per_source` random pairs of each fake source, or the pairs that a file lists."""

    per_source: int | None = Field(None, ge=1, le=1_000_000)
    sources: tuple[Name, ...] | None = Field(None, min_length=1)
    """Fake sources; None for all of them."""
    real_sources: tuple[Name, ...] | None = Field(None, min_length=1)
    seed: int = Field(0, ge=0, lt=2**63)
    listed: tuple[ListedPair, ...] | None = None

    @model_validator(mode="after")
    def one_way(self) -> Self:
        if (self.per_source is None) == (self.listed is None):
            raise ValueError('say either per_source = N or file = "pairs.csv".')
        if self.listed is not None and (self.sources or self.real_sources):
            raise ValueError("a file of pairs names its images; sources belong to per_source.")
        return self


class AnnotationSpec(Part):
    min_strokes: int = Field(1, ge=0, le=100)
    """How many strokes an annotation must have."""


class StudySpec(Part):
    slug: Annotated[str, Field(max_length=60), AfterValidator(_slug)]
    title: Name
    trials_per_participant: int = Field(30, ge=1, le=1000)
    judgements: int = Field(5, ge=1, le=10_000)
    """Wanted for each pair and question in each arm."""
    lease_minutes: int = Field(60, ge=1, le=60 * 24 * 30)
    """How long places are kept for a participant from whom nothing is heard."""
    consent: Text = texts.CONSENT
    instructions: Text = texts.INSTRUCTIONS
    completion_url: Annotated[str, Field(max_length=2000), AfterValidator(_https)] | None = None
    accepts_simulated: bool = False
    """Whether programs may take part, labelled as such."""
    arms: tuple[ArmSpec, ...] = Field(
        (ArmSpec(name="annotate", annotate=True), ArmSpec(name="control", annotate=False)),
        min_length=1,
        max_length=20,
    )
    pairs: PairsSpec
    annotation: AnnotationSpec = AnnotationSpec()

    @model_validator(mode="after")
    def arms_differ_in_name(self) -> Self:
        if len({arm.name for arm in self.arms}) < len(self.arms):
            raise ValueError("two arms have the same name.")
        return self


def load_study(path: Path) -> StudySpec:
    """The description in a TOML file, with the pairs that its `file` lists; BadStudy says what is wrong."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadStudy(f"{path}: the description cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadStudy(f"{path}: this is not TOML: {error}.") from None
    try:
        return StudySpec.model_validate(_with_listed(given, folder=path.parent))
    except ValidationError as error:
        raise BadStudy(f"{path}: {sentence(error)}") from None


def _with_listed(given: dict[str, Any], *, folder: Path) -> dict[str, Any]:
    pairs = given.get("pairs")
    if not isinstance(pairs, dict) or "file" not in pairs:
        return given
    if not isinstance(pairs["file"], str):
        raise BadStudy("pairs.file: must be the name of a CSV file.")
    others = {key: value for key, value in pairs.items() if key != "file"}
    return given | {"pairs": others | {"listed": read_pairs(folder / pairs["file"])}}


def read_pairs(path: Path) -> list[dict[str, str]]:
    """The pairs of a CSV file with the header `real,fake`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadStudy(f"{path}: the pairs cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadStudy(f"{path}: the file of pairs is not UTF-8 text.") from None
    return parse_pairs(text, name=path.name)


def parse_pairs(text: str, *, name: str) -> list[dict[str, str]]:
    """`name` is what errors call the text."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    listed: list[dict[str, str]] = []
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            where = f"{name}, line {reader.line_num}"
            if reader.line_num == 1:
                _check_header(row, where=where)
            elif any(row):
                listed.append(_listed(row, where=where))
    except csv.Error as error:
        raise BadStudy(f"{name}, line {reader.line_num}: {error}.") from None
    return listed


def _check_header(row: Sequence[str], *, where: str) -> None:
    if list(row) != PAIR_HEADER:
        raise BadStudy(f"{where}: the header must be real,fake.")


def _listed(row: Sequence[str], *, where: str) -> dict[str, str]:
    if len(row) != len(PAIR_HEADER) or not all(row):
        raise BadStudy(f"{where}: a line names one real and one fake image.")
    return {"real": row[0], "fake": row[1], "where": where}


def sentence(error: ValidationError) -> str:
    """The first thing wrong with a description, in one line: where, then what."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "extra_forbidden":
            what = "there is no such key."
        case "missing":
            what = "this key is missing."
        case "enum":
            what = f"must be one of {first['ctx']['expected']}."
        case "value_error":
            what = str(first["ctx"]["error"])
        case _:
            what = f"{first['msg']}."
    return f"{where}: {what}" if where else what
