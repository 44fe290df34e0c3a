"""An installation with pictures and studies of every kind, for the tests of the participant's page."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from playwright.sync_api import Browser, BrowserContext
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import connect, factory, upgrade
from app.models import Image, Label
from app.settings import Settings
from app.stimuli.service import import_path
from app.storage import BlobStore
from app.studies.schemas import load_study
from app.studies.service import create_study, open_study
from tests.support.pictures import draw
from tests.support.processes import Installation

SIDE: Final = 160  # px of a face
PICTURES: Final = 18  # of each class
DESK: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 800}}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 3,
    "has_touch": True,
    "is_mobile": True,
}

EVERYTHING: Final = """
slug = "{slug}"
title = "Which face is real?"
trials_per_participant = {trials}
judgements = 200
completion_url = "https://app.prolific.com/submissions/complete?cc=C0FFEE"
arms = [{{name = "only", annotate = {annotate}, advice = "{advice}"}}]
pairs = {{per_source = 6}}
debrief = "## What we looked at\\n\\nWhether **paint** helps a detector. Thank you."
consent = '''{consent}'''

[quiz]
attempts = 2
[[quiz.questions]]
text = "How many of the two faces are real?"
options = ["None", "One", "Both"]
answer = 2
[[quiz.questions]]
text = "What do you paint?"
options = ["What made me choose that face", "The whole face"]
answer = 1

[practice]
count = 2

[checks]
max_failed = 0
[[checks.regions]]
image = "{image}"
prompt = "Please paint the upper half of this face."
region = [[0, 0], [{side}, 0], [{side}, {half}], [0, {half}]]
min_iou = 0.01

[breaks]
every = 2

[[questions]]
id = "age"
text = "How old are you?"
kind = "choice"
options = ["18 to 29", "30 to 49", "50 or more"]
required = true

[[questions]]
id = "remarks"
text = "Is there anything that you would like to tell us?"
kind = "text"

[endings]
screened_out_url = "https://app.prolific.com/submissions/complete?cc=SORRY"
"""

PLAIN: Final = """
slug = "{slug}"
title = "Which face is real?"
trials_per_participant = 4
judgements = 200
arms = [{{name = "only", annotate = {annotate}}}]
pairs = {{per_source = 6}}
{further}
"""

ARMS: Final = """
slug = "{slug}"
title = "Which face is real?"
trials_per_participant = 4
judgements = 200
pairs = {{per_source = 6}}
advice = {{file = "{file}"}}
arms = [
  {{name = "annotate", annotate = true}},
  {{name = "control", annotate = false}},
  {{name = "told", annotate = true, advice = "decision"}},
  {{name = "shown", annotate = false, advice = "saliency"}},
  {{name = "helped", annotate = true, advice = "both"}},
]
"""

CONSENT: Final = "\n\n".join(f"## Part {part}\n\n" + 8 * "You may stop at any time. " for part in range(12))


@dataclass
class Lab(Installation):
    """Everything that takes a command is done in this process: a command takes seconds to start."""

    def __post_init__(self) -> None:
        told: dict[str, Any] = {
            name.removeprefix("CYBORG_").lower(): value for name, value in self.extra.items()
        }
        self.settings = Settings(data_dir=self.data_dir, _env_file=None, **told)
        self.engine = connect(self.settings, connections=3)
        upgrade(self.engine)
        self.sessions = factory(self.engine)
        self.blobs = BlobStore(self.settings.blobs_url)
        self.folder = self.data_dir.parent

    def import_pictures(self, *, side: int = SIDE, count: int = PICTURES) -> None:
        folder = self.folder / f"pictures-{side}"
        for name, label in self.names(count).items():
            source = "real" if label == "real" else "fake/paint"
            draw(folder / source / name, seed=zlib.crc32(name.encode()), width=side, height=side)
        import_path(self.sessions, self.blobs, folder, size=None)

    @staticmethod
    def names(count: int = PICTURES) -> dict[str, str]:
        """Of the pictures, and what they are."""
        return {f"{label}-{number}.png": label for number in range(count) for label in ("real", "fake")}

    def open(self, description: str, **words: object) -> str:
        """Make and open the study that a description, filled in with `words`, describes; its address."""
        path = self.folder / f"{words['slug']}.toml"
        path.write_text(description.format(**words), encoding="utf-8")
        with self.sessions.begin() as session:
            open_study(session, create_study(session, load_study(path), blobs=self.blobs))
        return f"{self.url}/s/{words['slug']}"

    def everything(self, slug: str, *, trials: int = 3, annotate: str = "true", advice: str = "none") -> str:
        """A study that has every step, of whatever pictures there are."""
        with self.session() as session:
            shown = Image.split.is_(None)  # the others are set aside for detectors
            pictures = session.scalars(select(Image).where(shown).order_by(Image.id)).all()
        advised = "" if advice == "none" else f'[advice]\nfile = "{self._advice(pictures).name}"\n'
        return self.open(
            EVERYTHING + advised,
            slug=slug,
            trials=trials,
            annotate=annotate,
            advice=advice,
            consent=CONSENT,
            image=pictures[0].content_hash,
            side=pictures[0].width,
            half=pictures[0].height // 2,
        )

    def arms(self, slug: str) -> str:
        """A study with arms with and without paint, and with every kind of advice."""
        with self.session() as session:
            pictures = session.scalars(select(Image).order_by(Image.id)).all()
        return self.open(ARMS, slug=slug, file=self._advice(pictures).name)

    def plain(self, slug: str, *, annotate: str = "true", further: str = "") -> str:
        return self.open(PLAIN, slug=slug, annotate=annotate, further=further)

    def _advice(self, pictures: Sequence[Image]) -> Path:
        """A model that is sure of everything and looks at the upper left of each face."""
        for width, height in {(picture.width, picture.height) for picture in pictures}:
            fading = np.outer(np.linspace(1, 0, height), np.linspace(1, 0, width))
            cv2.imwrite(
                str(self.folder / f"map-{width}-{height}.png"), np.rint(255 * fading).astype(np.uint8)
            )
        lines = [
            f"{picture.content_hash},{0.9 if picture.label is Label.FAKE else 0.2},"
            f"map-{picture.width}-{picture.height}.png"
            for picture in pictures
        ]
        path = self.folder / "advice.csv"
        path.write_text("\n".join(["image,score,map", *lines]) + "\n", encoding="utf-8")
        return path

    def session(self) -> Session:
        return self.sessions()

    def stop(self) -> None:
        self.engine.dispose()
        super().stop()


@contextmanager
def browsing(browser: Browser, options: dict[str, Any], *, script: str = "") -> Iterator[BrowserContext]:
    context = browser.new_context(**options)
    if script:
        context.add_init_script(script)
    yield context
    context.close()
