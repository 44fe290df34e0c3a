"""Small tables of decisions."""

import numpy as np
import pandas as pd

from accuracy.decisions.table import Decisions


def single_images(hits: int, signals: int, false_alarms: int, noises: int) -> Decisions:
    """Decisions of single images by one person for each ten of them: so many said "fake" of so many."""
    said = np.repeat([1, 0, 1, 0], [hits, signals - hits, false_alarms, noises - false_alarms]) == 1
    fake = np.repeat([True, False], [signals, noises])
    order = np.random.default_rng(0).permutation(len(said))
    frame = pd.DataFrame(
        {
            "participant": np.arange(len(said)) // 10,
            "arm": "a",
            "correct": (said == fake)[order].astype(float),
            "choice": np.where(said, "fake", "real")[order],
            "answer": np.where(fake, "fake", "real")[order],
        }
    )
    return Decisions(frame, "single")


def forced_choices(correct: list[int], *, people: int = 1) -> Decisions:
    """Forced choices of one arm, dealt to so many people in turn."""
    participant = np.arange(len(correct)) % people
    return Decisions(
        pd.DataFrame({"participant": participant, "arm": "a", "correct": np.array(correct, float)})
    )
