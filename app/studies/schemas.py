"""What a study description may say. Every key is documented in `docs/studies.md`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, Final

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from app.errors import BadStudy
from app.models import Advice
from app.studies import texts
from app.studies.parts import (
    BLOB_NAME,
    AboutSpec,
    AdviceSpec,
    AnnotationSpec,
    ArmSpec,
    BreaksSpec,
    ChecksSpec,
    ClosingQuestion,
    DeviceSpec,
    EndingsSpec,
    ExclusionsSpec,
    Name,
    PairsSpec,
    PanelSpec,
    PlanSpec,
    PracticeSpec,
    QuizSpec,
    Slug,
    StrictModel,
    Text,
    Url,
    all_different,
)
from saliency.files.text import TextFileError, csv_rows, parse_toml, read_text, read_toml, separator_of

PAIR_HEADER: Final = ["real", "fake"]
ADVICE_HEADERS: Final = (["image", "score"], ["image", "score", "map"])


class StudySpec(StrictModel):
    slug: Slug
    title: Name
    trials_per_participant: int = Field(30, ge=1, le=1000)
    judgements: int = Field(5, ge=1, le=10_000)
    """Wanted for each pair and question in each arm."""
    lease_minutes: int = Field(60, ge=1, le=60 * 24 * 30)
    """How long places are kept for a participant from whom nothing is heard."""
    about: AboutSpec = AboutSpec()
    consent: Text = texts.CONSENT
    instructions: Text = texts.INSTRUCTIONS
    debrief: Text | None = None
    completion_url: Url | None = None
    exclude_studies: tuple[Slug, ...] = Field((), max_length=100)
    """Whoever took part in one of these is refused."""
    links_only: bool = False
    """Whether people who come through no platform need one of the study's links."""
    accepts_simulated: bool = False
    """Whether programs may take part, labelled as such."""
    arms: tuple[ArmSpec, ...] = Field(
        (ArmSpec(name="annotate", annotate=True), ArmSpec(name="control", annotate=False)),
        min_length=1,
        max_length=20,
    )
    pairs: PairsSpec
    annotation: AnnotationSpec = AnnotationSpec()
    device: DeviceSpec = DeviceSpec()
    quiz: QuizSpec | None = None
    practice: PracticeSpec | None = None
    checks: ChecksSpec | None = None
    breaks: BreaksSpec | None = None
    questions: tuple[ClosingQuestion, ...] = Field((), max_length=50)
    advice: AdviceSpec | None = Field(None, validate_default=True)
    exclusions: ExclusionsSpec | None = None
    endings: EndingsSpec = EndingsSpec()
    plan: PlanSpec | None = None
    panel: PanelSpec | None = None

    # Of single keys, so that a complaint has its place; each may read the keys above its own.

    @field_validator("arms")
    @classmethod
    def arms_differ_in_name(cls, arms: tuple[ArmSpec, ...]) -> tuple[ArmSpec, ...]:
        if not all_different([arm.name for arm in arms]):
            raise ValueError("two arms have the same name.")
        return arms

    @field_validator("questions")
    @classmethod
    def questions_differ_in_id(cls, questions: tuple[ClosingQuestion, ...]) -> tuple[ClosingQuestion, ...]:
        if not all_different([question.id for question in questions]):
            raise ValueError("two closing questions have the same id.")
        return questions

    @field_validator("advice")
    @classmethod
    def advice_is_shown(cls, advice: AdviceSpec | None, info: ValidationInfo) -> AdviceSpec | None:
        arms = info.data.get("arms")
        if arms is None:
            return advice
        advised = any(arm.advice is not Advice.NONE for arm in arms)
        if advised and advice is None:
            raise ValueError('an arm shows advice, but there is no [advice] with file = "advice.csv".')
        if advice is not None and not advised:
            raise ValueError("there is advice, but no arm shows it.")
        return advice

    @field_validator("checks")
    @classmethod
    def checks_fit(cls, checks: ChecksSpec | None, info: ValidationInfo) -> ChecksSpec | None:
        arms, trials = info.data.get("arms"), info.data.get("trials_per_participant")
        if checks is None or arms is None or trials is None:
            return checks
        if checks.regions and not any(arm.annotate for arm in arms):
            raise ValueError("checks.regions are painted, but no arm annotates.")
        if len(checks.pairs) + len(checks.regions) > trials:
            raise ValueError("there are more checks than trials to hide them among.")
        if checks.traps > trials:
            raise ValueError(f"traps = {checks.traps}, but a participant judges {trials} pairs.")
        return checks

    @field_validator("exclude_studies")
    @classmethod
    def excludes_others(cls, excluded: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("slug") in excluded:
            raise ValueError("exclude_studies names the study itself.")
        return excluded


def load_study(path: Path) -> StudySpec:
    """The description in a TOML file, with the CSV files beside it that it names; BadStudy if none."""
    with _bad_study():
        given = read_toml(path)

    def beside(file: str) -> str:
        with _bad_study():
            return read_text(path.parent / file)

    return _validated(_with_listed(given, beside, folder=path.parent), name=f"{path}: ")


def parse_study(text: str, files: Mapping[str, str]) -> StudySpec:
    """The description in a text, with the CSV files that were sent with it, by their names; BadStudy."""
    with _bad_study():
        given = parse_toml(text, name="The description")

    def sent(file: str) -> str:
        if file not in files:
            raise BadStudy(f"The description names {file}; choose that file together with it.")
        return files[file]

    return _validated(_with_listed(given, sent, folder=Path()), name="")


def _validated(given: Mapping[str, Any], *, name: str) -> StudySpec:
    try:
        return StudySpec.model_validate(given)
    except ValidationError as error:
        raise BadStudy(f"{name}{sentence(error)}") from None


def _with_listed(given: dict[str, Any], text_of: Callable[[str], str], *, folder: Path) -> dict[str, Any]:
    """The description with what the files list that its `file` keys name; maps of advice lie in `folder`."""
    readers: dict[str, Callable[[str, str], list[dict[str, Any]]]] = {
        "pairs": lambda text, name: parse_pairs(text, name=name),
        "practice": lambda text, name: parse_pairs(text, name=name),
        "advice": lambda text, name: parse_advice(text, name=name, folder=folder),
    }
    listed = dict(given)
    for part, read in readers.items():
        table = given.get(part)
        if not isinstance(table, dict) or "file" not in table:
            continue
        if not isinstance(table["file"], str):
            raise BadStudy(f"{part}.file: must be the name of a CSV file.")
        others = {key: value for key, value in table.items() if key != "file"}
        text = text_of(table["file"])
        listed[part] = others | {"listed": read(text, PurePath(table["file"]).name)}
    return listed


def parse_pairs(text: str, *, name: str) -> list[dict[str, str]]:
    """The pairs of a CSV text with the header `real,fake`; `name` is what errors call it."""
    listed = []
    for row, where in _rows(text, name=name, headers=[PAIR_HEADER]):
        if len(row) != len(PAIR_HEADER) or not all(row):
            raise BadStudy(f"{where}: a line names one real and one fake image.")
        listed.append({"real": row[0], "fake": row[1], "where": where})
    return listed


def parse_advice(text: str, *, name: str, folder: Path) -> list[dict[str, Any]]:
    """The scores and maps of a CSV text with the header `image,score` or `image,score,map`.

    A map is the name of one that the platform keeps, or of a file in `folder`.
    """
    listed = []
    for row, where in _rows(text, name=name, headers=ADVICE_HEADERS):
        if len(row) not in (2, 3) or not row[0]:
            raise BadStudy(f"{where}: a line names an image, its score, and perhaps its map.")
        heat = _map(row[2], folder=folder) if row[2:] and row[2] else None
        listed.append({"image": row[0], "score": _score(row[1], where=where), "map": heat, "where": where})
    return listed


def _map(text: str, *, folder: Path) -> Path:
    return Path(text) if BLOB_NAME.fullmatch(text) else folder / text


def _score(text: str, *, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise BadStudy(f"{where}: the score is a probability from 0 to 1, not {text!r}.")
    return score


def _rows(text: str, *, name: str, headers: Sequence[Sequence[str]]) -> Iterator[tuple[list[str], str]]:
    """The lines below the header that are not empty, each with what errors call it."""
    with _bad_study():
        rows = csv_rows(text, name=name, separator=separator_of(text, known=headers[0]))
        line, header = next(rows, (1, []))
        if header not in headers:
            wanted = " or ".join(",".join(one) for one in headers)
            raise BadStudy(f"{name}, line {line}: the header must be {wanted}.")
        for line, row in rows:
            yield row, f"{name}, line {line}"


@contextmanager
def _bad_study() -> Iterator[None]:
    """A text that cannot be read is a study that cannot be carried out."""
    try:
        yield
    except TextFileError as error:
        raise BadStudy(str(error)) from None


def stored_spec(description: Mapping[str, Any]) -> StudySpec:
    """A description as it is stored; `BadStudy` where today's rules refuse it."""
    try:
        return StudySpec.model_validate(description)
    except ValidationError as error:
        raise BadStudy(sentence(error)) from None


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
