"""Learning from few human maps: a teacher draws the others, or the trunk is pretrained on those there are."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final

from accuracy.statistics.means import mean_interval
from app.demo.detectors import GUIDED
from benchmarks.human_maps.design import Design
from benchmarks.human_maps.execution import BenchmarkSettings, do_all
from benchmarks.human_maps.scenarios import (
    BenchmarkRun,
    BenchmarkScenario,
    run_folder,
    teacher_folder,
    world_folder,
)
from benchmarks.human_maps.table import HEADLINE, scenario_names, values
from training.config import CrossEntropy, MapSource, Pretraining
from training.teach import Method, TeachSettings, teach

WORLD: Final = Design(train=300, val=60, test=240)
"""Half as many faces as elsewhere, for there are twice as many scenarios."""
PAINTED: Final = 0.2
FIRST_SEED: Final = 500
"""Nothing was run on these seeds before, and no setting of this comparison was chosen by a result."""
METHODS: Final[tuple[Method, ...]] = ("cam", "unet")
FEW: Final = "human maps on 20 %"
ALL: Final = "human maps on 100 %"
PRETRAINING: Final = Pretraining(epochs=20, batch_size=8, lr=1e-3)
"""MENTOR from random weights; its paper's code has 10 epochs at 0.0001 from ImageNet's."""


def few(design: Design) -> BenchmarkScenario:
    """CYBORG in the world where a fifth of the images is painted: the teacher, and what is to be beaten."""
    return BenchmarkScenario(FEW, GUIDED, replace(design, painted=PAINTED))


def first(design: Design) -> list[BenchmarkScenario]:
    """The scenarios that need no teacher."""
    poor = replace(design, painted=PAINTED)
    shuffled = PRETRAINING.model_copy(update={"maps": "shuffled"})
    return [
        BenchmarkScenario("cross_entropy", CrossEntropy(), poor),
        few(design),
        BenchmarkScenario(ALL, GUIDED, design),
        BenchmarkScenario("mentor on 20 %", CrossEntropy(), poor, pretrain=PRETRAINING),
        BenchmarkScenario("mentor on 20 %, shuffled maps", CrossEntropy(), poor, pretrain=shuffled),
        BenchmarkScenario("mentor and human maps on 20 %", GUIDED, poor, pretrain=PRETRAINING),
    ]


def students(design: Design) -> list[BenchmarkScenario]:
    """CYBORG with human maps on a fifth of the images and a teacher's on the others, and the control."""
    poor = replace(design, painted=PAINTED)
    sources: dict[str, MapSource] = {"": "human_or_teacher", ", shuffled": "human_or_shuffled_teacher"}
    return [
        BenchmarkScenario(f"{FEW}, {method} teacher{about}", GUIDED, poor, maps=maps, teacher=method)
        for method, (about, maps) in product(METHODS, sources.items())
    ]


def teach_all(settings: BenchmarkSettings, design: Design) -> None:
    """Draw the maps of every seed's teacher that are not there yet."""
    wanted = [
        partial(teach_one, settings.out, few(design), method, seed=seed)
        for seed, method in product(settings.seeds, METHODS)
        if not teacher_folder(settings.out, method, seed=seed).is_dir()
    ]
    do_all(settings, wanted, "draw teachers' maps")


def teach_one(out: Path, teacher: BenchmarkScenario, method: Method, *, seed: int) -> None:
    """Draw the maps of one teacher."""
    run, world = run_folder(out, teacher, seed=seed), world_folder(out, teacher.design, seed=seed)
    folder = teacher_folder(out, method, seed=seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for _ in teach(run, world, folder, TeachSettings(method), device="cpu"):
        pass


def gains(results: Sequence[BenchmarkRun]) -> Iterator[str]:
    """Gains paired over seeds with 95 % t intervals: over human maps on a fifth, then over the control."""
    names = scenario_names(results)
    yield from (_gain(results, name, FEW) for name in names if name != FEW)
    controls = {name.partition(", shuffled")[0]: name for name in names if ", shuffled" in name}
    yield from (_gain(results, name, control) for name, control in controls.items())


def _gain(results: Sequence[BenchmarkRun], name: str, other: str) -> str:
    found = mean_interval((values(results, name, HEADLINE) - values(results, other, HEADLINE)).tolist())
    interval = f" ({found.low:+.3f} to {found.high:+.3f})" if found.low is not None else ""
    return f"{name} - {other}: {found.value:+.3f}{interval}"
