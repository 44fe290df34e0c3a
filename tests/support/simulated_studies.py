"""Studies whose true accuracies are known: logistic, with participants and pairs that differ at random."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from accuracy.statistics.clusters import ClusteredSample


@dataclass(frozen=True)
class Recipe:
    """Two arms see the same pairs; log odds = base + effect in arm 1 + participant + pair + pair by arm."""

    participants: tuple[int, int] = (25, 25)
    pairs: int = 60
    trials: int = 20
    base: float = 0.4
    effect: float = 0.0
    participant_sd: float = 0.5
    pair_sd: float = 0.8
    pair_by_arm_sd: float = 0.0

    def truth(self) -> tuple[float, float]:
        """Accuracy of arm 0 and of arm 1 over all participants and pairs there could be."""
        spread = np.sqrt(self.participant_sd**2 + self.pair_sd**2 + self.pair_by_arm_sd**2)
        return self._mean(np.zeros(1), spread), self._mean(np.full(1, self.effect), spread)

    def truth_of_these_pairs(self, seed: int) -> tuple[float, float]:
        """The same over all participants, for the pairs of the study that `draw` makes of this seed."""
        _, pair, by_arm = self._effects(np.random.default_rng(seed))
        zero, one = pair + by_arm[0], pair + by_arm[1] + self.effect
        return self._mean(zero, self.participant_sd), self._mean(one, self.participant_sd)

    def _mean(self, shifts: NDArray[np.float64], sd: float) -> float:
        """Mean probability over a normal spread, by Gauss-Hermite quadrature, and over the shifts."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(101)
        return float((expit(self.base + shifts[:, None] + sd * nodes) @ weights / weights.sum()).mean())

    def _effects(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
        person = rng.normal(0, self.participant_sd, sum(self.participants))
        pair = rng.normal(0, self.pair_sd, self.pairs)
        return person, pair, rng.normal(0, self.pair_by_arm_sd, (2, self.pairs))

    def draw(self, seed: int) -> ClusteredSample:
        rng = np.random.default_rng(seed)
        number = sum(self.participants)
        arm_of = np.repeat([0, 1], self.participants)
        person, pair, pair_by_arm = self._effects(rng)
        participant = np.repeat(np.arange(number), self.trials)
        item = np.concatenate([rng.choice(self.pairs, self.trials, replace=False) for _ in range(number)])
        arm = arm_of[participant]
        odds = self.base + self.effect * arm + person[participant] + pair[item] + pair_by_arm[arm, item]
        correct = (rng.random(len(odds)) < expit(odds)).astype(np.float64)
        return ClusteredSample(correct, participant, item, arm)


def sample_from(*people: tuple[int, list[int]]) -> ClusteredSample:
    """(arm, right or wrong on pair 0, 1, …) of each participant."""
    rows = [(c, p, i, arm) for p, (arm, answers) in enumerate(people) for i, c in enumerate(answers)]
    correct, participant, item, arm = map(np.array, zip(*rows, strict=True))
    return ClusteredSample(correct.astype(float), participant, item, arm)
