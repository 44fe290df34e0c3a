"""Do the estimates of a planner's assumptions hold? 150 simulated studies of each design say so.

    python benchmarks/planned_assumptions.py [--studies 150]

prints a table in Markdown: root mean squares of the standard deviations that were found, the share of
intervals that hold the true values, and how wide the intervals are.
"""

import argparse
from typing import Final

import numpy as np

from accuracy.statistics.planning import PlannedComparison, draw_study
from accuracy.statistics.planning_estimates import measured_assumptions

DESIGNS: Final = (
    PlannedComparison(30, 30, 100),
    PlannedComparison(10, 20, 40),
    PlannedComparison(60, 30, 100, mean=0.7, participant_sd=0.12, pair_sd=0.1),
    PlannedComparison(5, 30, 30),
    PlannedComparison(30, 30, 100, participant_sd=0.0, pair_sd=0.05),
)
DIFFERENCE: Final = 0.1
COLUMNS: Final = (
    "participants",
    "judgements each",
    "pairs",
    "p, σ_u, σ_v",
    "σ_u found",
    "σ_v found",
    "intervals that hold p, σ_u, σ_v",
    "mean width of the intervals",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=150)
    studies, rng = parser.parse_args().studies, np.random.default_rng(1)
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for plan in DESIGNS:
        print(line(plan, studies, rng))


def line(plan: PlannedComparison, studies: int, rng: np.random.Generator) -> str:
    """One row of the table."""
    true = np.array([plan.mean, plan.participant_sd, plan.pair_sd])
    found = np.array([estimates(plan, rng) for _ in range(studies)])  # (studies, 3 values, value low high)
    rms = np.sqrt((found[:, 1:, 0] ** 2).mean(axis=0))
    holds = ((found[..., 1] <= true) & (true <= found[..., 2])).mean(axis=0)
    width = (found[..., 2] - found[..., 1]).mean(axis=0)
    said = ", ".join(f"{value:.2f}" for value in true)
    shares, widths = ", ".join(f"{one:.0%}" for one in holds), ", ".join(f"{one:.2f}" for one in width)
    sizes = f"{2 * plan.participants} | {plan.decisions} | {plan.pairs}"
    return f"| {sizes} | {said} | {rms[0]:.3f} | {rms[1]:.3f} | {shares} | {widths} |"


def estimates(plan: PlannedComparison, rng: np.random.Generator) -> list[list[float]]:
    """Value and interval of the share correct and both standard deviations, of one simulated study."""
    drawn = draw_study(plan, DIFFERENCE, rng)
    found = measured_assumptions(drawn.correct, drawn.participant, drawn.item, drawn.arm)
    three = (found.mean, found.participant_sd, found.pair_sd)
    return [[one.value or 0.0, one.low or 0.0, one.high or 0.0] for one in three]


if __name__ == "__main__":
    main()
