"""The scenarios that are compared, and the two units of work: make a world, train and test a run on it."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import torch

from app.demo.detectors import GUIDED, OPTIMISER
from benchmarks.human_maps import networks
from benchmarks.human_maps.design import Design, Regime
from benchmarks.human_maps.faces import read_faces
from benchmarks.human_maps.shortcut_scores import read_scores, summary
from benchmarks.human_maps.world import write_world
from training.config import (
    OBJECTIVES,
    AnyObjective,
    CrossEntropy,
    Cyborg,
    MapSource,
    Objective,
    Pretraining,
    RunConfig,
    TrainingJob,
)
from training.files import read_json
from training.run import run_job
from training.run_folder import RunFolder
from training.teach import Method

HUMAN: Final = "cyborg x5"
"""Name of the scenario whose maps are people's and weigh as in `GUIDED`."""
EXTREMES: Final[tuple[MapSource, ...]] = ("inverted", "uniform")
CONTROLS: Final[tuple[MapSource, ...]] = ("shuffled", "ellipse")
"""Maps of other images, and one centred ellipse for all: what beats only one of them has shown nothing."""


@dataclass(frozen=True, slots=True)
class BenchmarkScenario:
    """An objective, its maps, and the world that it is trained in: one row of the printed table."""

    name: str
    objective: AnyObjective
    design: Design
    maps: MapSource = "human"
    architecture: str = "cyborg_tiny"
    epochs: int = 14
    teacher: Method | None = None
    """How the maps of a teacher were drawn: see `few_maps.py`."""
    pretrain: Pretraining | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """One run: AUC by group and condition, and what it cost."""

    scenario: str
    seed: int
    values: dict[str, float]
    cpu_s: float


def the_claim(design: Design) -> list[BenchmarkScenario]:
    """Cross-entropy, and CYBORG as in its paper and with heavier maps, with human and control maps."""
    cyborg = _with_controls("cyborg", Cyborg(), design)
    heavy = _with_controls(HUMAN, GUIDED, design)
    others = [guided(design, maps) for maps in EXTREMES]
    return [BenchmarkScenario("cross_entropy", CrossEntropy(), design), *cyborg, *heavy, *others]


def other_objectives(design: Design) -> list[BenchmarkScenario]:
    """Every other objective as its paper has it; those that use human maps with control maps, too."""
    scenarios: list[BenchmarkScenario] = []
    for name in OBJECTIVES:
        objective = Objective.preset(name)
        if name in ("cross_entropy", "cyborg"):
            continue
        if objective.needs_maps:
            scenarios += _with_controls(name, objective, design)
        else:
            scenarios.append(BenchmarkScenario(name, objective, design))
    return scenarios


def _with_controls(name: str, objective: AnyObjective, design: Design) -> list[BenchmarkScenario]:
    controls = [BenchmarkScenario(f"{name}, {maps} maps", objective, design, maps=maps) for maps in CONTROLS]
    return [BenchmarkScenario(name, objective, design), *controls]


def guided(design: Design, maps: MapSource = "human") -> BenchmarkScenario:
    """CYBORG with heavy maps: human ones, or controls."""
    return BenchmarkScenario(HUMAN if maps == "human" else f"{HUMAN}, {maps} maps", GUIDED, design, maps=maps)


def cross_entropy_and_cyborg(regime: Regime) -> list[BenchmarkScenario]:
    """Cross-entropy and CYBORG in one regime."""
    return [
        BenchmarkScenario(name, one, regime.design, architecture=regime.architecture, epochs=regime.epochs)
        for name, one in (("cross_entropy", CrossEntropy()), (HUMAN, regime.cyborg))
    ]


def world_folder(out: Path, design: Design, *, seed: int) -> Path:
    """Where a world is kept; another design never finds it."""
    digest = hashlib.sha256(repr(design).encode()).hexdigest()[:10]
    return out / "worlds" / f"{digest}-seed{seed}"


def run_folder(out: Path, scenario: BenchmarkScenario, *, seed: int) -> Path:
    """Where a run is kept; another scenario never finds it."""
    digest = hashlib.sha256(repr(scenario).encode()).hexdigest()[:10]
    return out / "runs" / f"{scenario.name.replace(', ', '-').replace(' ', '_')}-{digest}-seed{seed}"


def teacher_folder(out: Path, method: Method, *, seed: int) -> Path:
    """Where the maps of a seed's teacher are kept."""
    return out / "teachers" / f"{method}-seed{seed}"


def begin_process() -> None:
    """One thread each: two processes on two cores disturb each other least."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    networks.register()


def make_world(out: Path, faces: Path, design: Design, *, seed: int) -> float:
    """Write a world that is not there yet. Returns CPU seconds."""
    began = time.process_time()
    folder = world_folder(out, design, seed=seed)
    if not (folder / "dataset.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_world(folder, read_faces(faces), design, seed=seed)
    return time.process_time() - began


def make_run(out: Path, scenario: BenchmarkScenario, *, seed: int) -> BenchmarkRun:
    """Train and test, or read what an earlier call found."""
    began = time.process_time()
    run = RunConfig(
        architecture=scenario.architecture,
        objective=scenario.objective,
        seed=seed,
        maps=scenario.maps,
        maps_folder=teacher_folder(out, scenario.teacher, seed=seed) if scenario.teacher else None,
        pretrain=scenario.pretrain,
        weights="none",
        image_size=scenario.design.size,
        epochs=scenario.epochs,
        optimiser=OPTIMISER,
        device="cpu",
        workers=1,
    )
    folder = RunFolder(run_folder(out, scenario, seed=seed))
    for _ in run_job(
        TrainingJob(run=run, dataset=world_folder(out, scenario.design, seed=seed), out=folder.root)
    ):
        pass
    values = summary(read_scores(folder.scores / "test.csv"))
    stored = read_json(folder.metrics)["splits"]
    values["validation_accuracy"] = stored["val"]["accuracy"]
    values["agreement"] = stored["test"].get("agreement_spearman") or float("nan")
    values["cam_entropy"] = stored["test"]["cam_entropy"]
    return BenchmarkRun(scenario.name, seed, values, time.process_time() - began)


def designs(scenarios: Sequence[BenchmarkScenario]) -> list[Design]:
    """Every world that the scenarios need, once."""
    return list(dict.fromkeys(scenario.design for scenario in scenarios))
