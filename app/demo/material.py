"""The images and the study of a demonstration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.demo.faces import MANIFEST, draw_faces
from app.demo.stages import Stage
from app.errors import BadInput
from app.models import Image, Label, Split, Study
from app.stimuli.manifest import Item, read_listing
from app.stimuli.service import ImportReport, import_images
from app.stimuli.splits import Unsplit, assign_splits
from app.storage import BlobStore
from app.studies.parts import PairsSpec
from app.studies.schemas import StudySpec

TITLE: Final = "Demonstration with simulated participants"
SLUG: Final = "demo"

TRIALS: Final = 30
"""Of each participant, where there are as many pairs."""
ANNOTATIONS_PER_IMAGE: Final = 2
"""Wanted on average, right or wrong; fewer pairs are shown when there are fewer participants."""
VAL, TEST = 0.15, 0.25
"""Set aside of a manifest that gives no split."""


@dataclass(frozen=True, slots=True)
class Supply:
    """The number of faces of each source that can be shown to participants."""

    real: dict[str, int]
    fake: dict[str, int]


def drawn_items(data_dir: Path, *, count: int, seed: int, stage: Stage) -> tuple[Item, ...]:
    """Faces drawn by code, in the data folder; drawn once for a count and seed."""
    folder = data_dir / "demo" / f"world-{seed}-{count}"
    manifest = folder / MANIFEST
    if manifest.is_file():
        stage.summary = "drawn before"
    else:
        drawn = iter(range(1, count + 1))
        manifest = draw_faces(
            folder, count=count, seed=seed, on_drawn=lambda: stage.progress(next(drawn), count)
        )
    items = read_listing(manifest).items
    stage.summary = f"{len(items)} pictures of {count} faces, {stage.summary or 'nobody you know'}"
    return items


def listed_items(path: Path, *, seed: int) -> tuple[Item, ...]:
    """The rows of a manifest or the files of a folder; a list without splits is divided.

    Participants see only images of `train`; the others are for detectors.
    """
    items = read_listing(path).items
    if not items:
        raise BadInput(f"{path}: there is no image to import.")
    if any(item.split for item in items):
        return items
    return set_aside(items, seed=seed)


def set_aside(items: Sequence[Item], *, seed: int) -> tuple[Item, ...]:
    """Give `VAL` and `TEST` of every source their splits; a group stays together."""
    candidates = [
        Unsplit(index, item.label.value, item.source, item.group, None) for index, item in enumerate(items)
    ]
    splits = assign_splits(candidates, val=VAL, test=TEST, seed=seed)
    return tuple(
        item if splits[index] == "train" else replace(item, split=Split(splits[index]))
        for index, item in enumerate(items)
    )


def bring_in(
    sessions: SessionFactory,
    blobs: BlobStore,
    items: Sequence[Item],
    *,
    size: int | None,
    generated: bool,
    stage: Stage,
) -> ImportReport:
    """Import the usable images; `BadInput` when there are none."""
    report = import_images(sessions, blobs, items, size=size, generated=generated, on_progress=stage.progress)
    counts = f"{report.imported} imported, {report.already_there} already there"
    refused = f", {len(report.refused)} refused: {report.refused[0]}" if report.refused else ""
    ignored = f", {len(report.ignored)} values ignored: {report.ignored[0]}" if report.ignored else ""
    stage.summary = counts + refused + ignored
    if not report.usable:
        raise BadInput(f"no image can be used: {report.refused[0]}")
    return report


def find_material(session: Session, items: Sequence[Item], *, generated: bool) -> Supply:
    """How many faces of the items' sources may be shown to participants."""
    sources_shown = {item.source for item in items if item.split in (None, Split.TRAIN)}
    rows = session.execute(
        select(Image.label, Image.source, func.count())
        .where(
            Image.source.in_(sources_shown),
            Image.generated == generated,
            Image.split.is_(None) | (Image.split == Split.TRAIN),
        )
        .group_by(Image.label, Image.source)
    )
    counts: dict[Label, Counter[str]] = {label: Counter() for label in Label}
    for label, source, number in rows:
        counts[label][source] = number
    for label, sources in counts.items():
        if not sources:
            raise BadInput(f"there is no {label} face to show; a study needs both kinds.")
    return Supply(dict(counts[Label.REAL]), dict(counts[Label.FAKE]))


def describe_study(material: Supply, *, slug: str, participants: int, seed: int) -> StudySpec:
    """A study with an annotating and a control arm, of a size that its participants can fill.

    Every source of fakes gets the same number of pairs, no fake is shown in two of them, and there is
    room for a few more visitors than are simulated.
    """
    painted = participants * TRIALS / 2
    wanted = int(painted / (2 * ANNOTATIONS_PER_IMAGE * len(material.fake)))
    enough = -(-TRIALS // len(material.fake))
    most = min(*material.fake.values(), max(1, sum(material.real.values()) // len(material.fake)))
    per_source = min(max(wanted, enough), most)
    pairs = per_source * len(material.fake)
    trials = min(TRIALS, pairs, sum(material.real.values()))  # so that no face comes again
    visits = participants // 2 + 2
    return StudySpec(
        slug=slug,
        title=TITLE,
        trials_per_participant=trials,
        judgements=-(-visits * trials // (2 * pairs)) + 1,
        accepts_simulated=True,
        pairs=PairsSpec(
            per_source=per_source, sources=tuple(material.fake), real_sources=tuple(material.real), seed=seed
        ),
    )


def free_slug(session: Session) -> str:
    """`demo`, or the first of demo-2, demo-3, … that no study has."""
    taken = set(session.scalars(select(Study.slug).where(Study.slug.startswith(SLUG))))
    names = (SLUG if number == 1 else f"{SLUG}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
