"""Do the smallest differences that a plan promises hold? 500 simulated studies of each design say so.

    python benchmarks/planned_power.py [--studies 500]

prints a table in Markdown: what is predicted, and the share of studies that found it.
"""

import argparse
from typing import Final

from accuracy.statistics.planning import PlannedComparison, simulated_power

DESIGNS: Final = (
    PlannedComparison(participants=20, decisions=50, pairs=100),
    PlannedComparison(participants=30, decisions=30, pairs=100),
    PlannedComparison(participants=60, decisions=30, pairs=300),
    PlannedComparison(participants=100, decisions=20, pairs=200),
    PlannedComparison(participants=60, decisions=30, pairs=300, participant_sd=0.04, pair_sd=0.1),
    PlannedComparison(participants=60, decisions=30, pairs=300, participant_sd=0.12, pair_sd=0.2),
    PlannedComparison(participants=60, decisions=30, pairs=300, mean=0.75, pair_sd=0.1),
)
POWER: Final = 0.8
COLUMNS: Final = (
    "participants",
    "decisions",
    "pairs",
    "mean",
    "sd of people",
    "sd of pairs",
    "smallest",
    "found",
    "by chance",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=500)
    studies = parser.parse_args().studies
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for plan in DESIGNS:
        smallest = plan.smallest_difference(power=POWER)
        found = simulated_power(plan, smallest, studies=studies, seed=1)
        by_chance = simulated_power(plan, 0, studies=studies, seed=2)
        print(
            f"| 2 × {plan.participants} | {plan.decisions} | {plan.pairs} | {plan.mean:g} "
            f"| {plan.participant_sd:g} | {plan.pair_sd:g} | {smallest:.3f} | {found:.1%} | {by_chance:.1%} |"
        )


if __name__ == "__main__":
    main()
