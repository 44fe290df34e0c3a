"""The shortcut audit: how well a small classifier tells real from fake by what is not the face.

A detector that is trained on images whose labels can be told in this way may learn the shortcut and nothing
of faces. An AUC near .5 does not prove that there is none: only these numbers were looked at.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from accuracy.shortcuts.features import GROUPS
from accuracy.statistics.cross_validation import Flags, SeparationEstimate, cross_validated_auc
from accuracy.statistics.intervals import Floats

LIMIT: Final = 0.7
"""A group warns when the lower end of its interval is at least this."""
FEWEST: Final = 20
"""Images of either label, or of a source, below which nothing is said."""
MOST: Final = 2000
"""Images of either label that are looked at; of more, a sample."""
SOURCE_REPEATS: Final = 2
"""Divisions into folds for a single source; the pooled numbers have more."""
TOGETHER: Final = "together"
HEADINGS: Final = ("told by", "source", "AUC", "95 % interval")
NAMES: Final = {**GROUPS, TOGETHER: "all of it together"}


@dataclass(frozen=True, slots=True)
class AuditedImage:
    """What the audit knows of one image."""

    key: str
    """Its name or number; decides whether it is in a sample."""
    fake: bool
    source: str
    features: Mapping[str, Floats]
    """By group of `GROUPS`; what is not known of an image is left out."""
    group: str | None = None
    """Images of one person, or near-duplicates; they are never on both sides of a fold."""


@dataclass(frozen=True, slots=True)
class GroupFinding:
    """How well labels can be told from one group of numbers."""

    group: str
    estimate: SeparationEstimate
    sources: Mapping[str, SeparationEstimate]
    """A camera set against all fake images, a generator against all real ones."""

    @property
    def warns(self) -> bool:
        return self.estimate.low >= LIMIT or any(one.low >= LIMIT for one in self.sources.values())

    @property
    def sentence(self) -> str:
        """What the finding says, for a warning."""
        told = f"Real and fake images can be told apart by {NAMES[self.group]}: AUC {_words(self.estimate)}"
        if not (telling := {name: one for name, one in self.sources.items() if one.low >= LIMIT}):
            return f"{told}."
        worst = max(telling, key=lambda name: telling[name].auc)
        return f"{told}; of {worst} alone {_words(telling[worst])}."


@dataclass(frozen=True, slots=True)
class ShortcutAudit:
    """The findings of an audit, and what they rest on."""

    real: int
    fake: int
    """Images that were looked at."""
    images: int
    """Images that there are."""
    findings: tuple[GroupFinding, ...]
    unknown: tuple[str, ...] = ()
    """Groups that are not known of every image, which are left out."""

    @property
    def warnings(self) -> list[str]:
        """One sentence for each group by which labels can be told; all together only if no group warns."""
        warning = [one for one in self.findings if one.warns]
        single = [one for one in warning if one.group != TOGETHER]
        return [one.sentence for one in single or warning]

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """A table: what is told by, source, AUC and interval as text; headings are `HEADINGS`."""
        return [
            (
                NAMES[one.group] if source == "" else "",
                source or "all",
                f"{estimate.auc:.3f}",
                f"{estimate.low:.3f} to {estimate.high:.3f}",
            )
            for one in self.findings
            for source, estimate in {"": one.estimate, **one.sources}.items()
        ]

    @property
    def remarks(self) -> list[str]:
        """What stands below the table: how many images, what is not known, and what it warns of."""
        looked_at = self.real + self.fake
        sample = f", a sample of {self.images}" if looked_at < self.images else ""
        count = f"{looked_at} images: {self.real} real, {self.fake} fake{sample}."
        unknown = [f"Not known of every image: {NAMES[name]}." for name in self.unknown]
        warnings = [f"Warning: {line}" for line in self.warnings]
        return [count, *unknown, *(warnings or [f"No interval begins at {LIMIT:g} or above."])]

    def as_record(self) -> dict[str, Any]:
        """For JSON; `of_record` reads it."""
        return asdict(self) | {"limit": LIMIT, "warnings": self.warnings}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        findings = tuple(
            GroupFinding(
                one["group"],
                SeparationEstimate(**one["estimate"]),
                {name: SeparationEstimate(**each) for name, each in one["sources"].items()},
            )
            for one in record["findings"]
        )
        counts = {name: record[name] for name in ("real", "fake", "images")}
        return cls(**counts, findings=findings, unknown=tuple(record["unknown"]))


def positions_looked_at(keys: Sequence[str], fake: Sequence[bool]) -> list[int]:
    """Which images an audit looks at, in order: all, or `MOST` of a label, the same ones at every call.

    keys : (N,) a name of each image, each once
    fake : (N,) its label
    """
    chosen: list[int] = []
    for label in (False, True):
        of_label = [at for at, flag in enumerate(fake) if flag is label]
        chosen += sorted(of_label, key=lambda at: hashlib.sha256(keys[at].encode()).digest())[:MOST]
    return sorted(chosen)


def audit(images: Sequence[AuditedImage], *, of: int | None = None) -> ShortcutAudit | None:
    """How well labels can be told from each group of numbers, and from all of them; None for few images.

    of : how many images there are, where these are a sample
    """
    fake = np.array([image.fake for image in images], bool)
    if min(fake.sum(), (~fake).sum()) < FEWEST:
        return None
    known = [name for name in GROUPS if all(name in image.features for image in images)]
    columns = {name: np.stack([image.features[name] for image in images]) for name in known}
    if len(known) > 1:
        columns[TOGETHER] = np.concatenate([columns[name] for name in known], axis=1)
    groups = np.array([image.group or f"\0{at}" for at, image in enumerate(images)])
    sources = np.array([image.source for image in images])
    found = (_finding(name, values, fake, groups, sources) for name, values in columns.items())
    return ShortcutAudit(
        real=int((~fake).sum()),
        fake=int(fake.sum()),
        images=of or len(images),
        findings=tuple(one for one in found if one is not None),
        unknown=tuple(name for name in GROUPS if name not in known),
    )


def _finding(
    name: str, columns: Floats, fake: Flags, groups: NDArray[np.str_], sources: NDArray[np.str_]
) -> GroupFinding | None:
    estimate = cross_validated_auc(columns, fake, groups)
    if estimate is None:
        return None
    of_sources = {}
    for source in _audited_sources(sources, fake):
        label = fake[sources == source][0]
        chosen = (sources == source) | (fake != label)
        one = cross_validated_auc(columns[chosen], fake[chosen], groups[chosen], repeats=SOURCE_REPEATS)
        if one is not None:
            of_sources[source] = one
    return GroupFinding(name, estimate, of_sources)


def _audited_sources(sources: NDArray[np.str_], fake: Flags) -> list[str]:
    """Sources that have enough images of one label, where that label has more than one source."""
    by_label = {label: np.unique(sources[fake == label], return_counts=True) for label in (False, True)}
    shared = set(by_label[False][0].tolist()) & set(by_label[True][0].tolist())
    return [
        name
        for names, counts in by_label.values()
        if len(names) > 1
        for name, count in zip(names.tolist(), counts.tolist(), strict=True)
        if count >= FEWEST and name not in shared
    ]


def _words(estimate: SeparationEstimate) -> str:
    value, low, high = (f"{number:.3f}".removeprefix("0") for number in asdict(estimate).values())
    return f"{value} ({low} to {high})"
