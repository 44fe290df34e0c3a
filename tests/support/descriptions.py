"""Descriptions of studies, of every kind that the rules allow, for property tests."""

from pathlib import Path
from typing import Any, get_args

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from app.models import Advice
from app.studies.parts import FlagKind
from app.studies.schemas import StudySpec

SLUGS = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)
KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
CODES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
PLAIN_URLS = ["https://a.example/", "https://app.prolific.com/submissions/complete?cc=C1"]
URLS = st.sampled_from(PLAIN_URLS)
NAMES = ["a.png", "camera/001.jpg", "f" * 64, "ein Bild.png"]
ENDINGS = ("declined", "screened_out", "quota_full", "closed", "already_took_part", "withdrawn")
REGION = st.lists(st.tuples(st.floats(0, 512), st.floats(0, 512)), min_size=3, max_size=6)


def optional(of: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | of


@st.composite
def descriptions(draw: DrawFn, *, texts: SearchStrategy[str] | None = None) -> StudySpec:
    """`texts`: what is typed in free text; by default every text that can be stored."""
    if texts is None:
        texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
        texts = texts.filter(str.strip)
    short = texts.map(lambda text: text.strip()[:200].strip() or "x")
    pair = st.fixed_dictionaries({"real": st.sampled_from(NAMES), "fake": st.sampled_from(NAMES)})
    options = st.lists(short, min_size=2, max_size=4, unique=True)
    advised = draw(st.booleans())
    kinds = list(Advice) if advised else [Advice.NONE]
    arms = draw(
        st.lists(
            st.fixed_dictionaries(
                {"name": SLUGS, "annotate": st.booleans(), "advice": st.sampled_from(kinds)}
            ),
            min_size=1,
            max_size=4,
            unique_by=lambda arm: arm["name"],
        )
    )
    if advised:
        arms[0]["advice"] = draw(st.sampled_from(kinds[1:]))
    whole = {
        "slug": draw(SLUGS),
        "title": draw(short),
        "trials_per_participant": draw(st.integers(20, 1000)),
        "judgements": draw(st.integers(1, 10_000)),
        "lease_minutes": draw(st.integers(1, 43_200)),
        "about": draw(_about(short)),
        "consent": draw(texts),
        "instructions": draw(texts),
        "debrief": draw(optional(texts)),
        "completion_url": draw(optional(URLS)),
        "exclude_studies": draw(st.lists(SLUGS.map(lambda slug: f"other-{slug}"), max_size=2)),
        "links_only": draw(st.booleans()),
        "accepts_simulated": draw(st.booleans()),
        "arms": arms,
        "pairs": draw(_pairs(pair, short)),
        "annotation": draw(_annotation()),
        "device": draw(_device()),
        "quiz": draw(optional(_quiz(short, options))),
        "practice": draw(optional(_count_or_list(st.integers(1, 100), "count", pair))),
        "checks": draw(optional(_checks(pair, has_paint=any(arm["annotate"] for arm in arms)))),
        "breaks": draw(optional(st.fixed_dictionaries({"every": st.integers(1, 1000)}))),
        "questions": draw(st.lists(_question(short, options), max_size=3, unique_by=lambda one: one["id"])),
        "advice": draw(_advice()) if advised else None,
        "exclusions": draw(optional(_exclusions())),
        "endings": draw(_endings()),
        "panel": draw(optional(_panel(short))),
        "plan": draw(optional(_plan(short))),
    }
    return StudySpec.model_validate(whole)


def _plan(short: SearchStrategy[str]) -> SearchStrategy[Any]:
    line = short.map(lambda text: " ".join(text.split()) or "x")
    number = optional(st.integers(1, 10_000))
    return st.fixed_dictionaries(
        {
            "hypotheses": st.lists(line, min_size=1, max_size=3),
            "exclusions": st.lists(line, max_size=2),
            "participants": number,
            "judgements": number,
            "stopping": optional(line),
        }
    )


def _panel(short: SearchStrategy[str]) -> SearchStrategy[Any]:
    address = optional(st.sampled_from(["https://panel.example/done?rid={id}&s={session}", *PLAIN_URLS]))
    return st.fixed_dictionaries(
        {
            "name": short,
            "id": st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True).map(
                lambda name: f"p{name}"
            ),
            "session": st.just("assignmentId"),
            "completion_url": address,
            "screened_out_url": address,
            "quota_full_url": address,
        }
    )


@st.composite
def _exclusions(draw: DrawFn) -> dict[str, Any]:
    milliseconds = optional(st.floats(1, 600_000))
    return {
        "failed_checks": draw(st.integers(1, 100)),
        "median_decision_ms": draw(milliseconds),
        "median_annotation_ms": draw(milliseconds),
        "one_side": draw(optional(st.floats(0.51, 1))),
        "correct_below": draw(optional(st.floats(0.01, 1))),
        "flags": draw(st.lists(st.sampled_from(get_args(FlagKind)), max_size=3, unique=True)),
    }


def _count_or_list(number: SearchStrategy[int], name: str, line: SearchStrategy[Any]) -> SearchStrategy[Any]:
    listed = st.lists(line, min_size=1, max_size=3)
    return st.fixed_dictionaries({name: number}) | st.fixed_dictionaries({"listed": listed})


def _pairs(pair: SearchStrategy[Any], names: SearchStrategy[str]) -> SearchStrategy[Any]:
    sources = optional(st.lists(names, min_size=1, max_size=2, unique=True))
    drawn = {"per_source": st.integers(1, 1_000_000), "sources": sources, "real_sources": sources}
    seeded = st.fixed_dictionaries({**drawn, "seed": st.integers(0, 2**63 - 1)})
    return seeded | st.fixed_dictionaries({"listed": st.lists(pair, min_size=1, max_size=3)})


def _about(short: SearchStrategy[str]) -> SearchStrategy[Any]:
    said = dict.fromkeys(("institution", "contact", "ethics_number", "pay"), optional(short))
    return st.fixed_dictionaries({**said, "minutes": optional(st.integers(1, 1440))})


def _annotation() -> SearchStrategy[Any]:
    least, most = st.floats(0, 0.4), st.floats(0.5, 1)
    return st.fixed_dictionaries({"min_strokes": st.integers(0, 100), "min_area": least, "max_area": most})


def _device() -> SearchStrategy[Any]:
    pixels = st.integers(1, 10_000)
    return st.fixed_dictionaries({"min_width": pixels, "min_height": pixels, "touch": st.booleans()})


@st.composite
def _quiz(draw: DrawFn, short: SearchStrategy[str], options: SearchStrategy[list[str]]) -> dict[str, Any]:
    questions = draw(st.lists(st.tuples(short, options), min_size=1, max_size=3))
    return {
        "attempts": draw(st.integers(1, 20)),
        "questions": [
            {"text": text, "options": chosen, "answer": draw(st.integers(1, len(chosen)))}
            for text, chosen in questions
        ],
    }


@st.composite
def _checks(draw: DrawFn, pair: SearchStrategy[Any], *, has_paint: bool) -> dict[str, Any]:
    region = {
        "image": st.sampled_from(NAMES),
        "prompt": st.sampled_from(["Paint the nose.", "Paint the upper half."]),
        "region": REGION,
        "min_iou": st.floats(0.01, 1),
    }
    traps = draw(st.integers(0, 3))
    pairs = draw(st.lists(pair, min_size=0 if has_paint or traps else 1, max_size=3))
    least = 0 if pairs or traps else 1
    regions = draw(st.lists(st.fixed_dictionaries(region), min_size=least, max_size=2)) if has_paint else []
    failed = draw(optional(st.integers(0, 9)))
    return {"max_failed": failed, "pairs": pairs, "regions": regions, "traps": traps}


@st.composite
def _question(draw: DrawFn, short: SearchStrategy[str], options: SearchStrategy[list[str]]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["choice", "text"]))
    chosen = draw(options) if kind == "choice" else None
    asked = {"id": draw(KEYS), "text": draw(short), "kind": kind}
    return {**asked, "options": chosen, "required": draw(st.booleans())}


def _advice() -> SearchStrategy[Any]:
    line = {
        "image": st.sampled_from(NAMES),
        "score": st.floats(0, 1),
        "map": optional(st.sampled_from([Path("map.png"), Path("a" * 64)])),
    }
    return st.fixed_dictionaries({"listed": st.lists(st.fixed_dictionaries(line), min_size=1, max_size=3)})


def _endings() -> SearchStrategy[Any]:
    urls = {f"{ending}_url": optional(URLS) for ending in ENDINGS}
    return st.fixed_dictionaries({**urls, **{f"{ending}_code": optional(CODES) for ending in ENDINGS}})
