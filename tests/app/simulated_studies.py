"""Studies whose true accuracies are known: logistic, with participants and pairs that differ at random."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from app.analysis.comparison import Sample


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
        nodes, weights = np.polynomial.hermite_e.hermegauss(101)
        sd = np.sqrt(self.participant_sd**2 + self.pair_sd**2 + self.pair_by_arm_sd**2)
        means = [
            float(weights @ expit(self.base + shift + sd * nodes) / weights.sum())
            for shift in (0, self.effect)
        ]
        return means[0], means[1]

    def draw(self, seed: int) -> Sample:
        rng = np.random.default_rng(seed)
        number = sum(self.participants)
        arm_of = np.repeat([0, 1], self.participants)
        person = rng.normal(0, self.participant_sd, number)
        pair = rng.normal(0, self.pair_sd, self.pairs)
        pair_by_arm = rng.normal(0, self.pair_by_arm_sd, (2, self.pairs))
        participant = np.repeat(np.arange(number), self.trials)
        item = np.concatenate([rng.choice(self.pairs, self.trials, replace=False) for _ in range(number)])
        arm = arm_of[participant]
        odds = self.base + self.effect * arm + person[participant] + pair[item] + pair_by_arm[arm, item]
        correct = (rng.random(len(odds)) < expit(odds)).astype(np.float64)
        return Sample(correct, participant, item, arm)
