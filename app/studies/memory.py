"""What somebody knows who remembers the faces that they saw.

Nobody sees a pair twice, but an image may be in several pairs. If only real images are, a face that was seen
before is the real one, and whoever remembers it needs to look no further. So assignment shows an image again
only when it must, then both images of a pair equally often where it can; and a study whose images do not
allow that is refused.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from app.errors import BadStudy
from app.models import Label
from app.studies.pairing import Matched

Key = TypeVar("Key")

MOST_TOLD: Final = 0.01
"""How much better than by guessing a study may let memory alone answer."""

NEW: Final = (0, 0)


class TimesMet:
    """How often a participant met each image."""

    def __init__(self, images: Iterable[int] = ()) -> None:
        self.times = Counter(images)
        self.signs: list[int] = []
        """Of each pair: 1 if its real face had been seen more often, -1 if its fake one, 0 if neither."""
        self.lean = 0
        """The sum of the signs."""
        self.new = 0
        """Pairs of which neither face had been seen."""

    def pick(self, pairs: Mapping[Key, Matched]) -> Key:
        """The pair, of at least one, that memory says least about: the first with two new faces, else the
        one that comes nearest to it."""
        best, least = next(iter(pairs)), (4, 0)
        for key, pair in pairs.items():
            told = self._told(pair)
            if told == NEW:
                return key
            if told < least:
                best, least = key, told
        return best

    def _told(self, pair: Matched) -> tuple[int, int]:
        """What the counts of a pair's faces say, least first, and how often they were seen.

        0 nothing: they are equal; 1 to 3: the contrary of what the pairs before said, something, the same.
        """
        real, fake = (self.times[image] for image in pair)
        if real == fake:
            return 0, real + fake
        return 2 + _sign(real - fake) * _sign(self.lean), real + fake

    def add(self, pair: Matched) -> None:
        real, fake = (self.times[image] for image in pair)
        self.signs.append(_sign(real - fake))
        self.lean += self.signs[-1]
        self.new += real == fake == 0
        self.times.update(pair)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def candidates(wanted: int) -> int:
    """Of how many pairs `wanted` are chosen: enough to find new faces, few enough to be quick."""
    return 3 * wanted + 300


@dataclass(frozen=True, slots=True)
class Foreknowledge:
    """What a rule learns that looks at nothing but which face was seen more often before."""

    told: float
    """How much better than by guessing it answers, 0 to 0.5."""
    repeated: Label
    """The class that is seen again more often."""
    new: int
    """Pairs at least that a participant meets with two new faces."""


def foreknowledge(pairs: Sequence[Matched], *, trials: int) -> Foreknowledge:
    """From simulated visits of `trials` pairs each, assigned as participants' are.

    The rule says for each place in a visit whether the face seen more often is the real one or the fake one.
    It is learned from one half of the visits and tested on the other. The same pairs give the same answer.

    pairs : different pairs (real, fake), at least `trials` of them; if no image is in two, nothing is learned
    """
    if len({image for pair in pairs for image in pair}) == 2 * len(pairs):
        return Foreknowledge(told=0.0, repeated=Label.FAKE, new=trials)
    rng = np.random.default_rng(0)
    visits = [_visit(pairs, trials, rng) for _ in range(min(200, max(10, 400_000 // trials**2)))]
    signs = np.array([visit.signs for visit in visits])
    learned, tested = signs[::2].mean(axis=0), signs[1::2].mean(axis=0)
    told = float((np.sign(learned) * tested).mean()) / 2
    repeated = Label.REAL if signs.sum() > 0 else Label.FAKE
    return Foreknowledge(max(0.0, told), repeated, min(visit.new for visit in visits))


def _visit(pairs: Sequence[Matched], trials: int, rng: np.random.Generator) -> TimesMet:
    drawn = rng.choice(len(pairs), size=min(len(pairs), candidates(trials)), replace=False)
    left = {int(index): pairs[index] for index in drawn}
    met = TimesMet()
    for _ in range(trials):
        met.add(left.pop(met.pick(left)))
    return met


def refuse_tell_tales(pairs: Sequence[Matched], *, trials: int) -> None:
    """BadStudy where a face that was seen before gives the answer away."""
    found = foreknowledge(pairs, trials=trials)
    if found.told <= MOST_TOLD:
        return
    real, fake = (len({pair[side] for pair in pairs}) for side in (0, 1))
    other = Label.FAKE if found.repeated is Label.REAL else Label.REAL
    raise BadStudy(
        f"The pairs hold {real} real and {fake} fake images, and {trials} trials per participant show "
        f"{found.repeated} faces again more often than {other} ones: a face seen before is the "
        f"{found.repeated} one, and who remembers faces is right in {0.5 + found.told:.0%} of the pairs "
        f"without looking. Ask for {found.new} trials or fewer, or use more {found.repeated} images."
    )
