"""What a planned comparison assumes, estimated from the decisions of a pilot or another study.

The model is that of `accuracy.statistics.planning`: participant i of arm a is right on pair j with
probability p_a + u_i + v_j, where u and v vary over participants and pairs with standard deviations σ_u and
σ_v. So the estimates are of the scale on which studies are drawn: shares, not log odds.

σ_u² and σ_v² are moments (MINQUE(0): Hartley, Rao and LaMotte, 1978, Biometrics 34, 233-242). With r the
decisions less the share correct of their arm, Z_u and Z_v the decisions of each participant and each pair,
and M what takes the shares of the arms out of a vector, three sums of squares

    |Z_u'r|², |Z_v'r|², |r|²    are expected to be    Σ_l |Z_k'M Z_l|² σ_l²   over l = u, v, e,

three linear equations whose solution is unbiased whatever shape u and v have and however many decisions each
cell holds. A variance that comes out below 0 counts as 0.

Intervals are of a jackknife over groups, two ways as in `accuracy.statistics.clusters`: the variance over
groups of participants plus that over groups of pairs less that over groups of single decisions, which both
hold, and at least the larger of the first two. With Student's t at the number of groups less 1; ends below 0
are 0.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.clustered_proportions import clustered_proportion
from accuracy.statistics.clusters import ClusteredSample, Codes, cluster_totals
from accuracy.statistics.intervals import Floats, Interval, t_quantile

LEAST_PARTICIPANTS: Final = 10
LEAST_PAIRS: Final = 10
LEAST_SHARED: Final = 50
"""Decisions on a pair on which somebody else decided, too: what tells how pairs differ."""

MOST_GROUPS: Final = 20
"""Of the jackknives; of fewer clusters each is a group of its own."""


class TooLittleData(ValueError):
    """Decisions from which no standard deviation can be estimated; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class MeasuredAssumptions:
    """What a planned comparison assumes, measured; and what it rests on."""

    mean: Interval
    """Share correct of all decisions."""
    participant_sd: Interval
    """Standard deviation of the share correct over participants of one arm."""
    pair_sd: Interval
    """The same over pairs."""
    participants: int
    pairs: int
    decisions: int


def measured_assumptions(correct: Floats, participant: Codes, item: Codes, arm: Codes) -> MeasuredAssumptions:
    """Share correct, and standard deviations of participants and of pairs, with 95 % intervals.

    correct : (N,) 1 or 0
    participant, item, arm : (N,) codes from 0, each of which occurs
    `TooLittleData` for fewer participants, pairs or shared decisions than the constants above, and where all
    decisions are correct, or all are wrong
    """
    decisions = _Decisions(correct, participant, item, arm)
    decisions.refuse_too_few()
    variances = decisions.variances()
    se, groups = _jackknifed(decisions)
    reach = t_quantile(groups - 1.0) * se
    low, high = (np.sqrt(np.maximum(variances + sign * reach, 0)) for sign in (-1, 1))
    value = np.sqrt(np.maximum(variances, 0))
    of_participants, of_pairs = (Interval(*(float(ends[k]) for ends in (value, low, high))) for k in range(2))
    pooled = ClusteredSample(correct, participant, item, np.zeros_like(arm))
    return MeasuredAssumptions(
        mean=clustered_proportion(pooled),
        participant_sd=of_participants,
        pair_sd=of_pairs,
        participants=decisions.participants,
        pairs=decisions.pairs,
        decisions=len(correct),
    )


@dataclass(frozen=True, slots=True)
class _Decisions:
    correct: Floats
    participant: Codes
    item: Codes
    arm: Codes

    @property
    def participants(self) -> int:
        return len(np.unique(self.participant))

    @property
    def pairs(self) -> int:
        return len(np.unique(self.item))

    def without(self, left_out: NDArray[np.bool_]) -> "_Decisions":
        kept = ~left_out
        return _Decisions(self.correct[kept], self.participant[kept], self.item[kept], self.arm[kept])

    def refuse_too_few(self) -> None:
        judged = np.bincount(self.item) if len(self.item) else np.zeros(0, dtype=int)
        shared = int(judged[judged > 1].sum())
        for number, least, what in (
            (self.participants, LEAST_PARTICIPANTS, "participants with judgements"),
            (self.pairs, LEAST_PAIRS, "pairs that were judged"),
            (shared, LEAST_SHARED, "judgements of pairs that were judged more than once"),
        ):
            if number < least:
                raise TooLittleData(f"{number} {what}; at least {least} are needed.")
        if self.correct.min() == self.correct.max():
            word = "correct" if self.correct[0] else "wrong"
            raise TooLittleData(f"Every judgement is {word}, so that nothing differs.")

    def variances(self) -> Floats:
        """(2,) σ_u² and σ_v², which may come out below 0."""
        n, arms = len(self.correct), int(self.arm.max()) + 1
        of_arm = np.maximum(np.bincount(self.arm), 1)
        shares = cluster_totals(self.arm, self.correct) / of_arm
        residual = self.correct - shares[self.arm]
        single = np.arange(n)
        kinds = [_Kind(code, _table(code, self.arm, arms)) for code in (self.participant, self.item, single)]
        cells = {
            (0, 0): np.bincount(self.participant),
            (1, 1): np.bincount(self.item),
            (0, 1): np.unique_counts(self.participant * (int(self.item.max()) + 1) + self.item).counts,
        }
        expected = np.empty((3, 3))
        for k, one in enumerate(kinds):
            for l_, other in enumerate(kinds[k:], k):
                together = cells.get(
                    (k, l_), np.ones(n)
                )  # a decision is met once, whatever it is crossed with
                expected[k, l_] = expected[l_, k] = _shared(one, other, together, of_arm)
        squares = [float((cluster_totals(kind.code, residual) ** 2).sum()) for kind in kinds]
        return np.asarray(np.linalg.lstsq(expected, np.array(squares))[0][:2], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Clusters of one kind: participants, pairs, or single decisions."""

    code: Codes
    """(N,) the cluster of each decision."""
    in_arm: Floats
    """(K, A) decisions of each cluster in each arm."""


def _table(code: Codes, arm: Codes, arms: int) -> Floats:
    size = (int(code.max()) + 1) * arms
    return np.bincount(code * arms + arm, minlength=size).reshape(-1, arms).astype(np.float64)


def _shared(one: _Kind, other: _Kind, together: NDArray[np.floating | np.integer], of_arm: Codes) -> float:
    """|Z_k'M Z_l|², where M takes the shares of the arms out.

    together : decisions that each cluster of one kind has in each of the other, those without any left out

    With N this table in full and c the decisions of each cluster in each arm, it is |N - Σ_a c_a c_a'/n_a|²,
    multiplied out so that N is never made.
    """
    crossed = (one.in_arm[one.code] * other.in_arm[other.code]).sum(axis=0)
    inner = (one.in_arm.T @ one.in_arm) * (other.in_arm.T @ other.in_arm)
    square = float((together.astype(np.float64) ** 2).sum())
    return square - 2 * float((crossed / of_arm).sum()) + float((inner / np.outer(of_arm, of_arm)).sum())


def _jackknifed(decisions: _Decisions) -> tuple[Floats, int]:
    """(2,) standard errors of the two variances, and the smallest number of groups."""
    of_participants, of_pairs, of_decisions = (
        _spread(decisions, groups)
        for groups in (_dealt(decisions.participant), _dealt(decisions.item), _dealt_singly(decisions))
    )
    least = np.maximum(of_participants, of_pairs)
    squares = np.maximum(of_participants + of_pairs - of_decisions, least)
    return np.sqrt(squares), min(MOST_GROUPS, decisions.participants, decisions.pairs)


def _spread(decisions: _Decisions, group: Codes) -> Floats:
    """(2,) jackknife variances of the two variances."""
    number = int(group.max()) + 1
    without = np.array([decisions.without(group == left_out).variances() for left_out in range(number)])
    return np.asarray((number - 1) / number * ((without - without.mean(axis=0)) ** 2).sum(axis=0))


def _dealt(code: Codes) -> Codes:
    """The group of each decision; a group has about as many clusters as another."""
    known, place = np.unique(code, return_inverse=True)
    return np.asarray(place % min(len(known), MOST_GROUPS), dtype=np.intp)


def _dealt_singly(decisions: _Decisions) -> Codes:
    """The group of each decision, at random, the same each time."""
    group = np.arange(len(decisions.correct)) % MOST_GROUPS
    return np.asarray(np.random.default_rng(0).permutation(group), dtype=np.intp)
