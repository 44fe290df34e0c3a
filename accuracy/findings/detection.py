"""d' and criterion of an arm, and their intervals for other people and other pictures.

Both are sums of normal quantiles of shares. By the delta method (Gourevitch and Galanter, 1967) each decision
adds to them in proportion to what it adds to its share, so `clusters.spread` gives their variance over
participants and pairs, as it does for a difference of shares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from accuracy.decisions.table import Decisions
from accuracy.statistics.clusters import spread
from accuracy.statistics.comparison import UNKNOWN, Interval, Sample, around
from accuracy.statistics.proportions import Floats, kept_inside

DELTA: Final = "delta method, clustered by participants and pairs, t; no interval where a share is 0 or 1"


@dataclass(frozen=True, slots=True)
class Share:
    """How often something was said, shape (N,) of 0 and 1, among the decisions `where` it could be."""

    said: Floats
    where: Floats

    @property
    def counts(self) -> tuple[float, float]:
        return float(self.said @ self.where), float(self.where.sum())

    @property
    def certain(self) -> bool:
        """Whether it was always said, or never: then the share shows no spread of its own."""
        said, total = self.counts
        return said in (0.0, total)

    def z(self) -> tuple[float, Floats]:
        """Normal quantile of the share, and what each decision adds to it; NaN below 2 decisions."""
        said, total = self.counts
        z = float(stats.norm.ppf(kept_inside(said, total)))
        return z, self.where * (self.said - said / total) / (total * stats.norm.pdf(z))


@dataclass(frozen=True, slots=True)
class Measure:
    """A weighted sum of the z of shares, and what each decision adds to it; None when that cannot be told."""

    value: float
    scores: Floats | None


def measure(*parts: tuple[float, Share]) -> Measure | None:
    """None where a share rests on fewer than 2 decisions: moved off 0 and 1, it would be a half whatever was
    decided."""
    if any(share.counts[1] < 2 for _, share in parts):
        return None
    found = [(weight, *share.z()) for weight, share in parts]
    value = sum(weight * z for weight, z, _ in found)
    certain = any(share.certain for _, share in parts)
    return Measure(
        value, None if certain else np.sum([weight * scores for weight, _, scores in found], axis=0)
    )


def interval(found: Measure | None, sample: Sample) -> Interval:
    """A t interval over participants and pairs; the value alone when its spread cannot be told."""
    if found is None:
        return UNKNOWN
    if found.scores is None:
        return Interval(found.value)
    one = around(
        found.value,
        spread(found.scores, participant=sample.participant, item=sample.item, arm=sample.arm),
    )
    return Interval(one.value, one.low, one.high, se=one.se, df=one.df)


def difference(one: Measure | None, zero: Measure | None, sample: Sample) -> Interval:
    """Of arm 1 of a sample minus arm 0; each measure is of the decisions of its arm, in their order."""
    if one is None or zero is None:
        return UNKNOWN
    if one.scores is None or zero.scores is None:
        return Interval(one.value - zero.value)
    scores = np.empty(len(sample.arm))
    scores[sample.arm == 1], scores[sample.arm == 0] = one.scores, -zero.scores
    return interval(Measure(one.value - zero.value, scores), sample)


def says_yes(decisions: Decisions) -> str:
    """The choice that detection measures count: a side in a forced choice, a label with single images."""
    return "left" if decisions.design == "2afc" else "fake"


def answers(decisions: Decisions) -> tuple[Share, Share] | None:
    """Hits and false alarms: "yes" where that was right, and where it was wrong. None when not known."""
    if not decisions.has("choice", "answer"):
        return None
    yes, frame = says_yes(decisions), decisions.frame
    said = (frame["choice"] == yes).to_numpy(dtype=float)
    known = frame["choice"].notna() & frame["answer"].notna()
    signal = (known & (frame["answer"] == yes)).to_numpy(dtype=float)
    noise = (known & (frame["answer"] != yes)).to_numpy(dtype=float)
    return Share(said, signal), Share(said, noise)


def known(decisions: Decisions) -> bool:
    """Whether the columns that d' needs are there."""
    return decisions.design == "2afc" or decisions.has("choice", "answer")


def dprime(decisions: Decisions) -> Measure | None:
    """√2·Φ⁻¹(share correct) in a forced choice, for an observer without side bias (Macmillan and Creelman,
    2005); z(hits) − z(false alarms) with single images. None when that cannot be told."""
    if decisions.design == "2afc":
        correct = decisions.frame["correct"].to_numpy(dtype=float)
        return measure((float(np.sqrt(2)), Share(correct, np.ones(len(correct)))))
    found = answers(decisions)
    return None if found is None else measure((1.0, found[0]), (-1.0, found[1]))


def criterion(decisions: Decisions) -> Measure | None:
    """−(z(hits) + z(false alarms))/2; above 0: "yes" is said less often than by somebody without a bias."""
    found = answers(decisions)
    return None if found is None else measure((-0.5, found[0]), (-0.5, found[1]))


def rates(decisions: Decisions) -> Iterator[tuple[str, str, Sample]]:
    """(measure, meaning, sample whose "correct" is "yes") of hits, false alarms, and all "yes"."""
    found = answers(decisions)
    if found is None:
        return
    yes, forced = says_yes(decisions), decisions.design == "2afc"
    signal = "the answer was on the left" if forced else "the image was fake"
    hits, false_alarms = found
    meant = hits.counts[1] / (hits.counts[1] + false_alarms.counts[1])
    either = Share(hits.said, hits.where + false_alarms.where)
    told = {
        "hits": (hits, f"How often people chose “{yes}” when {signal}"),
        "false_alarms": (false_alarms, f"How often people chose “{yes}” when that was wrong"),
        f"{yes}_choices": (
            either,
            f"Share of all decisions for “{yes}”; the answer was that in {100 * meant:.1f} %",
        ),
    }
    whole = decisions.sample()
    for name, (share, meaning) in told.items():
        chosen = share.where == 1
        yield (
            name,
            meaning,
            Sample(share.said[chosen], whole.participant[chosen], whole.item[chosen], whole.arm[chosen]),
        )
