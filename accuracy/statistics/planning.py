"""What a study that is not run yet would detect: a difference between two arms, each participant in one.

Participant i is right on pair j in arm a with probability p + a·d + u_i + v_j, where u and v are normal over
participants and pairs. Both arms judge the same pairs, each pair equally often, so that what a pair adds is
the same in both and falls out of their difference. With n participants an arm, m decisions each, P pairs,
p the mean of both arms and e = p(1-p) - σ_u² - σ_v²:

- the difference varies by Var(d̂) = 2/n · (σ_u² + e/m);
- the analysis (`accuracy.statistics.clusters`) does not know that pairs fall out. It expects
  2/n · (σ_u² + (e + σ_v²(1 - (m-1)/(P-1)))/m), and what pairs seem to add by chance: the mean of the positive
  part of a normal variable around 0 with standard deviation √(2/P) · 2e/(nm).

So the analysis is a little careful, and `power` says what it finds; `simulated_power` measures that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import nctdtr

from accuracy.statistics.clustered_proportions import clustered_difference
from accuracy.statistics.clusters import ClusteredSample
from accuracy.statistics.intervals import t_quantile
from accuracy.statistics.planning_defaults import MEAN, PAIR_SD, PARTICIPANT_SD


@dataclass(frozen=True, slots=True)
class PlannedComparison:
    """Two arms of a study. ValueError where no such shares can be drawn."""

    participants: int
    """Of each arm, at least 2."""
    decisions: int
    """Of each participant, at most as many as pairs."""
    pairs: int
    mean: float = MEAN
    """Share correct, of both arms together; in (0, 1)."""
    participant_sd: float = PARTICIPANT_SD
    pair_sd: float = PAIR_SD

    def __post_init__(self) -> None:
        if self.participants < 2 or not 1 <= self.decisions <= self.pairs:
            raise ValueError("An arm has at least two participants, who judge no pair twice.")
        if not 0 < self.mean < 1 or self._noise <= 0:
            raise ValueError("Participants and pairs cannot differ so much at this share correct.")

    @property
    def _noise(self) -> float:
        """Variance of a decision at a given probability, on average."""
        return self.mean * (1 - self.mean) - self.participant_sd**2 - self.pair_sd**2

    @property
    def se(self) -> float:
        """Standard error of the difference between the arms, in shares correct."""
        of_participant = self.participant_sd**2 + self._noise / self.decisions
        return float(np.sqrt(2 / self.participants * of_participant))

    @property
    def expected_se(self) -> float:
        """The standard error that the analysis will give, on average."""
        n, m = self.participants, self.decisions
        drawn = 1 - (m - 1) / (self.pairs - 1) if self.pairs > 1 else 0.0
        of_participants = 2 / n * (self.participant_sd**2 + (self._noise + self.pair_sd**2 * drawn) / m)
        by_chance = np.sqrt(2 / self.pairs) * 2 * self._noise / (n * m) / np.sqrt(2 * np.pi)
        return float(np.sqrt(of_participants + by_chance))

    @property
    def df(self) -> float:
        return 2.0 * (self.participants - 1)

    def power(self, difference: float) -> float:
        """Probability that a true difference is found, two-sided at 5 %, by the noncentral t distribution."""
        bound = t_quantile(self.df) * self.expected_se / self.se
        shift = abs(difference) / self.se
        below = np.nan_to_num(nctdtr(self.df, shift, -bound))  # scipy has no number for what is nearly 0
        return float(1 - nctdtr(self.df, shift, bound) + below)

    def smallest_difference(self, *, power: float = 0.8) -> float:
        """The smallest true difference that is found with probability `power`, in shares correct."""
        most = 8 * self.expected_se
        return float(brentq(lambda difference: self.power(difference) - power, 0, most))


def draw_study(plan: PlannedComparison, difference: float, rng: np.random.Generator) -> ClusteredSample:
    """Decisions of one study; `difference` is the share correct of arm 1 minus that of arm 0.

    Probabilities outside of [0, 1] are drawn as 0 and 1.
    """
    people, m = 2 * plan.participants, plan.decisions
    arm = np.repeat([0, 1], plan.participants)
    of_person = arm * difference - difference / 2 + rng.normal(0, plan.participant_sd, people)
    of_pair = rng.normal(0, plan.pair_sd, plan.pairs)
    item = np.concatenate([_dealt(plan, rng) for _ in range(2)])
    person = np.repeat(np.arange(people), m)
    probability = np.clip(plan.mean + of_person[person] + of_pair[item], 0, 1)
    correct = (rng.random(people * m) < probability).astype(np.float64)
    return ClusteredSample(correct, person, item, arm[person])


def _dealt(plan: PlannedComparison, rng: np.random.Generator) -> NDArray[np.intp]:
    """Pairs of each participant of an arm, none twice, and over the arm each as often as another."""
    pairs, start = rng.permutation(plan.pairs), int(rng.integers(plan.pairs))
    return pairs[(start + np.arange(plan.participants * plan.decisions)) % plan.pairs]


def simulated_power(plan: PlannedComparison, difference: float, *, studies: int, seed: int) -> float:
    """Share of simulated studies in which the analysis of two arms finds a difference at 5 %."""
    rng = np.random.default_rng(seed)
    found = [clustered_difference(draw_study(plan, difference, rng)).p for _ in range(studies)]
    return float(np.mean([p is not None and p < 0.05 for p in found]))
