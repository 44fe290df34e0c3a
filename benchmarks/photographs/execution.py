"""Write the dataset of each seed and train the recipe `photographs` on it, a seed in each process."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import torch

from benchmarks.photographs.datasets import write_dataset
from benchmarks.photographs.images import Picture, listed_test, listed_training, picture
from saliency.images.faces import FaceFinder
from training.config import Recipe, TrainingJob, load_recipe
from training.run import run_job


@dataclass(frozen=True, slots=True)
class Material:
    """The pictures of all seeds."""

    training: tuple[Picture, ...]
    test: tuple[Picture, ...]
    """Empty where no test image may be met."""


def read_material(manifest: Path, lago: Path | None) -> Material:
    """Decode every image once, and find the faces of those that are painted."""
    finder = FaceFinder()
    training = tuple(picture(listed, finder) for listed in listed_training(manifest))
    test = tuple(picture(listed) for listed in listed_test(lago)) if lago else ()
    return Material(training, test)


def train_all(out: Path, material: Material, seeds: Sequence[int], *, jobs: int) -> Iterator[int]:
    """Train every scenario with every seed; yields the seeds as they are done. Finished runs stay."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield from pool.map(partial(_train, out, material), seeds)


def _one_thread() -> None:
    """Two processes on two cores disturb each other least with one thread each."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _train(out: Path, material: Material, seed: int) -> int:
    dataset = write_dataset(out / "datasets" / f"seed{seed}", material.training, material.test, seed=seed)
    for run in with_seed(load_recipe("photographs"), seed).runs():
        job = TrainingJob(run=run, dataset=dataset.root, out=out / "runs" / run.name)
        for _ in run_job(job):
            pass
    return seed


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with one seed alone."""
    return recipe.model_copy(update={"seeds": (seed,)})
