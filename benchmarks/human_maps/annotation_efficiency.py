"""Annotation efficiency: AUC by the number of annotated images, and by the number of images without maps."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from app.demo.detectors import GUIDED
from benchmarks.human_maps.design import Design
from benchmarks.human_maps.scenarios import BenchmarkRun, BenchmarkScenario
from benchmarks.human_maps.table import HEADLINE, values
from training.config import CrossEntropy

KEEP_RATES: Final = (0.05, 0.1, 0.25, 0.5, 1.0)
TIMES: Final = (1, 2, 4, 8)


def fewer_maps(design: Design) -> list[BenchmarkScenario]:
    """CYBORG on the same images, with the maps of a part of them."""
    return [
        BenchmarkScenario(
            f"cyborg x5, {annotated(design, rate)} maps",
            GUIDED.model_copy(update={"keep_rate": rate}),
            design,
        )
        for rate in KEEP_RATES
    ]


def annotated(design: Design, rate: float) -> int:
    """Images whose map is used, about."""
    return round(design.train * rate)


def more_data(design: Design) -> list[BenchmarkScenario]:
    """Cross-entropy on more images of the same kind, without maps."""
    sizes = [design.train * times for times in TIMES]
    return [
        BenchmarkScenario(f"cross_entropy, {size} images", CrossEntropy(), replace(design, train=size))
        for size in sizes
    ]


def matching_size(
    results: Sequence[BenchmarkRun], maps: Sequence[BenchmarkScenario], data: Sequence[BenchmarkScenario]
) -> str:
    """How many images cross-entropy needs to reach CYBORG with all its maps, in one sentence."""
    sizes = np.array([scenario.design.train for scenario in data], float)
    classical = np.array([values(results, scenario.name, HEADLINE).mean() for scenario in data])
    full = maps[-1]
    reached = values(results, full.name, HEADLINE).mean()
    images = full.design.train
    if classical.max() < reached:
        return (
            f"CYBORG with the maps of {images} images reaches {reached:.3f}; cross-entropy no more "
            f"than {classical.max():.3f} with up to {sizes[-1]:.0f} images."
        )
    first = int(np.argmax(classical >= reached))
    if first == 0:
        return f"Cross-entropy reaches the {reached:.3f} of CYBORG with the same {images} images and no map."
    share = (reached - classical[first - 1]) / (classical[first] - classical[first - 1])
    size = float(np.exp(np.log(sizes[first - 1]) + share * np.log(sizes[first] / sizes[first - 1])))
    return (
        f"CYBORG with the maps of {images} images reaches {reached:.3f}; cross-entropy needs about "
        f"{size:.0f} images for that: {size / images:.1f} times as many."
    )
