"""The detectors of a demonstration: without maps, with those of its people, and with maps that are not."""

from typing import Final

from training.config import CrossEntropy, Cyborg, OptimiserSettings, Recipe, RunSettings, Scenario

GUIDED: Final = Cyborg(map_weight=2.5)
"""CYBORG whose maps weigh five times as much as in its paper, where both terms weigh 0.5."""
OPTIMISER: Final = OptimiserSettings(name="adam", lr=0.002, step_epochs=0)
BASELINE: Final = "cross_entropy"
HUMAN: Final = "cyborg"
SHUFFLED: Final = "cyborg_shuffled"
CENTRED: Final = "cyborg_ellipse"
SEEDS: Final = 4
EPOCHS: Final = 28
SIDE: Final = 64
"""Of the pictures that detectors see, in pixels."""

SCENARIOS: Final = (
    Scenario(name=BASELINE, objective=CrossEntropy()),
    Scenario(name=HUMAN, objective=GUIDED),
    Scenario(name=SHUFFLED, objective=GUIDED, maps="shuffled"),
    Scenario(name=CENTRED, objective=GUIDED, maps="ellipse"),
)


def demo_recipe() -> Recipe:
    """A small network that starts from nothing, four scenarios, as many seeds as make a spread."""
    run = RunSettings(optimiser=OPTIMISER, epochs=EPOCHS, image_size=SIDE, weights="none")
    return Recipe(
        name="demo",
        architectures=("cyborg_tiny",),
        scenarios=SCENARIOS,
        seeds=tuple(range(SEEDS)),
        run=run,
    )
