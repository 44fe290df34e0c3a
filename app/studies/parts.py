"""The parts of a study description. Every key is documented in `docs/studies.md`."""

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, get_args
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.models import Advice, Source

SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BLOB_NAME: Final = re.compile(r"[0-9a-f]{64}")


def _slug(text: str) -> str:
    if not SLUG.fullmatch(text):
        raise ValueError(
            "must be lower-case letters, digits and single hyphens, because it is in the address."
        )
    return text


def _key(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise ValueError("must be a lower-case letter, then letters, digits and underscores.")
    return text


def _written(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty.")
    if "\0" in text:
        raise ValueError("must not hold a NUL character.")
    return text.replace("\r\n", "\n")  # browsers send the ends of lines so


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must be an address that begins with https://")
    return url


def _different(texts: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(texts)) < len(texts):
        raise ValueError("two options are the same.")
    return texts


Slug = Annotated[str, Field(max_length=60), AfterValidator(_slug)]
Text = Annotated[str, AfterValidator(_written)]
Name = Annotated[Text, Field(max_length=200)]
Sentence = Annotated[Text, Field(max_length=1000)]
Line = Annotated[Sentence, AfterValidator(lambda text: " ".join(text.split()))]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_https)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Options = Annotated[tuple[Name, ...], Field(min_length=2, max_length=20), AfterValidator(_different)]


class StrictModel(BaseModel):
    """A misspelt key is an error, never a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def part_in(annotation: Any) -> type[StrictModel] | None:
    """The part of a description that a key holds, alone or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, StrictModel):
        return annotation
    return next(filter(None, map(part_in, get_args(annotation))), None)


class AboutSpec(StrictModel):
    """What a participant wants to know first; it stands above the consent text."""

    institution: Name | None = None
    contact: Name | None = None
    ethics_number: Name | None = None
    """Of the approval by an ethics board."""
    minutes: int | None = Field(None, ge=1, le=1440)
    """How long a visit takes."""
    pay: Name | None = None

    def lines(self) -> list[tuple[str, str]]:
        """At most four, each with what it is about; those of which nothing is said are left out."""
        ethics = f"approval {self.ethics_number}" if self.ethics_number else None
        minutes = f"about {self.minutes} minute{'s'[: self.minutes > 1]}" if self.minutes else None
        asked = ", ".join(filter(None, [self.institution, ethics]))
        said = [("Who asks", asked), ("Time", minutes), ("Pay", self.pay), ("Contact", self.contact)]
        return [(name, words) for name, words in said if words]


class ArmSpec(StrictModel):
    """A between-subject condition."""

    name: Slug
    annotate: bool
    """Whether participants paint on the face they chose."""
    advice: Advice = Advice.NONE


class ListedPair(StrictModel):
    """Two images by content hash or file name."""

    real: Text
    fake: Text
    where: str = Field("", exclude=True)
    """The line of the file that lists them, for complaints."""


class PairsSpec(StrictModel):
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


class AnnotationSpec(StrictModel):
    """What an annotation must be like to be sent."""

    min_strokes: int = Field(1, ge=0, le=100)
    min_area: float = Field(0.001, ge=0, lt=1)
    """Fraction of the image that its mask must cover."""
    max_area: float = Field(0.8, gt=0, le=1)

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.min_area >= self.max_area:
            raise ValueError("min_area must be smaller than max_area.")
        return self


class DeviceSpec(StrictModel):
    """What a browser must have; CSS pixels."""

    min_width: int = Field(320, ge=1, le=10_000)
    min_height: int = Field(300, ge=1, le=10_000)
    """A browser at a zoom of 200 % on a screen of 1366 × 768 has 316; a phone that lies has less."""
    touch: bool = True
    """False asks for a mouse, a pen or a trackpad."""


class QuizQuestion(StrictModel):
    text: Sentence
    options: Options
    answer: int = Field(ge=1)
    """The right option, counted from 1. It never leaves the server."""

    @model_validator(mode="after")
    def has_an_answer(self) -> Self:
        if self.answer > len(self.options):
            raise ValueError(f"answer = {self.answer}, but there are {len(self.options)} options.")
        return self


class QuizSpec(StrictModel):
    """Whether the instructions were understood."""

    attempts: int = Field(3, ge=1, le=20)
    """After that many wrong ones a participant is screened out."""
    questions: tuple[QuizQuestion, ...] = Field(min_length=1, max_length=50)


class PracticeSpec(StrictModel):
    """Trials with feedback before the first that counts: random pairs, or those that a file lists."""

    count: int | None = Field(None, ge=1, le=100)
    listed: tuple[ListedPair, ...] | None = Field(None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def one_way(self) -> Self:
        if (self.count is None) == (self.listed is None):
            raise ValueError('say either count = N or file = "practice.csv".')
        return self


class CheckPair(StrictModel):
    """A pair in which everybody who looks sees the fake face."""

    real: Text
    fake: Text


PLACE: Final = r"(?:eye|eyebrow|ear|cheek|temple|nostril|(?:side|half) of (?:the|this|her|his|their) face)"
SIDED: Final = re.compile(rf"\b(?:left|right)(?:-hand)? {PLACE}", re.IGNORECASE)
WHOSE: Final = re.compile(r"\bof (?:the|this) (?:picture|photo|photograph|image|screen)\b", re.IGNORECASE)


def _one_side(prompt: str) -> str:
    """A left eye is on the left of the picture to one reader, and the person's own to another."""
    if (sided := SIDED.search(prompt)) and not WHOSE.search(prompt):
        raise ValueError(
            f"“{sided[0]}” can be read in two ways. Say which side of the picture, "
            "for example “the eye on the left side of the picture”."
        )
    return prompt


class RegionSpec(StrictModel):
    """A place of an image that participants are asked to paint."""

    image: Text
    prompt: Annotated[Sentence, AfterValidator(_one_side)]
    region: tuple[tuple[Finite, Finite], ...] = Field(min_length=3, max_length=1000)
    """Corners of a polygon in image pixels."""
    min_iou: float = Field(0.3, gt=0, le=1)


class ChecksSpec(StrictModel):
    """Trials among the main ones that tell who pays attention."""

    max_failed: int | None = Field(None, ge=0)
    """Whoever fails more is screened out; None screens nobody out."""
    pairs: tuple[CheckPair, ...] = Field((), max_length=100)
    regions: tuple[RegionSpec, ...] = Field((), max_length=100)
    """Met in annotating arms only."""
    traps: int = Field(0, ge=0, le=100)
    """Main trials with a button that only the page's markup has."""

    @model_validator(mode="after")
    def not_empty(self) -> Self:
        if not self.pairs and not self.regions and not self.traps:
            raise ValueError("say what is checked: [[checks.pairs]], [[checks.regions]] or traps = N.")
        return self


FlagKind = Literal[
    "honeypot",
    "set_aside",
    "failed_check",
    "fast_decision",
    "impossible_times",
    "identical_strokes",
    "straight_strokes",
    "one_side",
    "automation",
]


class ExclusionsSpec(StrictModel):
    """Which participants who finished are excluded: whoever meets one rule. Staff look before it is done."""

    failed_checks: int | None = Field(None, ge=1, le=100)
    """So many checks failed, or more."""
    median_decision_ms: float | None = Field(None, gt=0, le=600_000)
    """A median time to decide below this."""
    median_annotation_ms: float | None = Field(None, gt=0, le=600_000)
    """A median time to paint below this."""
    one_side: float | None = Field(None, gt=0.5, le=1)
    """One side chosen in this share of the pairs, or more."""
    correct_below: float | None = Field(None, gt=0, le=1)
    """A share of correct decisions below this."""
    flags: tuple[FlagKind, ...] = Field((), max_length=20)
    """One of these quality flags."""

    @model_validator(mode="after")
    def not_empty(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("say who is excluded, or leave [exclusions] out.")
        if not all_different(self.flags):
            raise ValueError("a flag is named twice.")
        return self


class PlanSpec(StrictModel):
    """What is planned, frozen with the time when the study opens."""

    hypotheses: tuple[Line, ...] = Field(min_length=1, max_length=50)
    exclusions: tuple[Line, ...] = Field((), max_length=50)
    """Rules by which somebody's work is left out, in words."""
    participants: int | None = Field(None, ge=1, le=1_000_000)
    """Who finish."""
    judgements: int | None = Field(None, ge=1, le=10_000)
    """Of each pair and question in each arm."""
    stopping: Line | None = None
    """When collecting ends."""


class BreaksSpec(StrictModel):
    every: int = Field(ge=1, le=1000)
    """Main trials between two offers of a pause."""


class ClosingQuestion(StrictModel):
    """A question after the last trial."""

    id: Annotated[str, Field(max_length=40), AfterValidator(_key)]
    text: Sentence
    kind: Literal["choice", "text"]
    options: Options | None = None
    required: bool = False

    @model_validator(mode="after")
    def options_belong_to_a_choice(self) -> Self:
        if (self.kind == "choice") != (self.options is not None):
            raise ValueError('kind = "choice" needs options; kind = "text" has none.')
        return self


class AdviceLine(StrictModel):
    """What a model says of one image."""

    image: Text
    score: float = Field(ge=0, le=1)
    """Probability that the image is fake."""
    map: Path | None = None
    """A file on the machine where the study is made; afterwards the name of the map that is kept of it."""
    where: str = Field("", exclude=True)
    """The line of the file, for complaints."""

    @property
    def kept_map(self) -> str | None:
        """The name of a map that the platform keeps."""
        return str(self.map) if self.map and BLOB_NAME.fullmatch(str(self.map)) else None


class AdviceSpec(StrictModel):
    listed: tuple[AdviceLine, ...] = Field(min_length=1)


EndingCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


PROLIFIC: Final = re.compile(r"(.+\.)?prolific\.(com|co)")
"""The hosts of its addresses."""


class WayOut(NamedTuple):
    """Where somebody is sent, and with which code."""

    redirect_url: str | None = None
    code: str | None = None

    @classmethod
    def of(cls, url: str | None, code: str | None, source: Source) -> Self:
        """What of it is known where somebody comes from: an address of Prolific leads nobody else there.

        Only MTurk's own workers are sure to come from elsewhere; a plain link may be one on Prolific.
        Prolific writes the code into its address, so that it need not be said twice.
        """
        parts = urlsplit(url or "")
        if source is Source.MTURK and PROLIFIC.fullmatch(parts.hostname or ""):
            return cls()
        return cls(url, code or next(iter(parse_qs(parts.query).get("cc", [])), None))


Ending = Literal["declined", "screened_out", "quota_full", "closed", "already_took_part", "withdrawn"]
"""How a visit ends otherwise than with the last answer."""


class EndingsSpec(StrictModel):
    """Where people are sent whose visit ends otherwise than with the last answer, and their code there."""

    declined_url: Url | None = None
    declined_code: EndingCode | None = None
    screened_out_url: Url | None = None
    screened_out_code: EndingCode | None = None
    quota_full_url: Url | None = None
    quota_full_code: EndingCode | None = None
    closed_url: Url | None = None
    closed_code: EndingCode | None = None
    already_took_part_url: Url | None = None
    already_took_part_code: EndingCode | None = None
    withdrawn_url: Url | None = None
    withdrawn_code: EndingCode | None = None

    def way_out(self, ending: Ending, source: Source) -> WayOut:
        return WayOut.of(getattr(self, f"{ending}_url"), getattr(self, f"{ending}_code"), source)


PARAMETER: Final = r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"
FILLED_IN: Final = ("{id}", "{session}")
"""What stands in an address of a panel for what it sent."""


def _panel_address(url: str) -> str:
    empty = url
    for name in FILLED_IN:
        empty = empty.replace(name, "")
    if "{" in empty or "}" in empty:
        raise ValueError("only {id} and {session} are filled in.")
    if "{" in (urlsplit(url).netloc or ""):
        raise ValueError("{id} and {session} belong behind the name of the site.")
    return _https(url)


ParameterName = Annotated[str, Field(pattern=PARAMETER)]
PanelUrl = Annotated[str, Field(max_length=2000), AfterValidator(_panel_address)]


class PanelSpec(StrictModel):
    """A panel that sends people with parameters of its own in the study's address."""

    name: Name
    """What participants call it."""
    id: ParameterName
    """The parameter that names the person."""
    session: ParameterName | None = None
    """The parameter that names this visit of theirs and that nobody else knows."""
    completion_url: PanelUrl | None = None
    screened_out_url: PanelUrl | None = None
    quota_full_url: PanelUrl | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.id, self.session) if self.session else (self.id,)

    @model_validator(mode="after")
    def holds_together(self) -> Self:
        if self.session is not None and self.session.lower() == self.id.lower():
            raise ValueError("id and session are two parameters.")
        urls = (self.completion_url, self.screened_out_url, self.quota_full_url)
        if self.session is None and any("{session}" in (url or "") for url in urls):
            raise ValueError("an address has {session}, but no parameter is named for it.")
        return self

    def way_out(self, ending: str, person: str, session: str | None) -> "WayOut | None":
        """Where the panel wants somebody whose visit ends so; None where it does not say."""
        urls = {
            "finished": self.completion_url,
            "screened_out": self.screened_out_url,
            "failed_checks": self.screened_out_url,
            "quota_full": self.quota_full_url,
        }
        if not (url := urls.get(ending)):
            return None
        given = zip(FILLED_IN, (person, session or ""), strict=True)
        for name, value in given:
            url = url.replace(name, quote(value, safe=""))
        return WayOut.of(url, None, Source.PANEL)


def all_different(values: Sequence[Hashable]) -> bool:
    return len(set(values)) == len(values)
