"""Experiments made quickly: what a test of training needs around it."""

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from app.experiments.service import request_experiment
from app.models import Dataset, Experiment, JobState, MapSet, Run
from tests.support.factories import StudyFactory
from tests.training.reporting.test_report import fake_run
from training.config import Recipe
from training.data.dataset import DatasetWriter

PICTURE = cv2.imencode(".png", np.full((40, 48, 3), 90, np.uint8))[1].tobytes()
SCORES = "image,score\n" + "".join(f"i{i},{0.9 if i % 2 else 0.2}\n" for i in range(40))
"""Of the test images of `make_trained`."""


def make_dataset(db, folder: Path) -> Dataset:
    """A dataset as the database knows it; its folder is empty."""
    study = StudyFactory()
    map_set = MapSet(study_id=study.id, version=1, parameters={}, state=JobState.SUCCEEDED)
    db.add(map_set)
    db.flush()
    folder.mkdir(parents=True, exist_ok=True)
    known = {"content_hash": f"{study.slug}", "parameters": {}, "counts": {}}
    dataset = Dataset(study_id=study.id, map_set_id=map_set.id, folder=str(folder), **known)
    db.add(dataset)
    db.flush()
    return dataset


def make_experiment(db, folder: Path, *architectures: str, queued: bool = True, **options) -> Experiment:
    """One run for each architecture; of toy training, an architecture is a way to behave."""
    grid = {"architectures": architectures, "objectives": ("cross_entropy",), **options.pop("grid", {})}
    experiment = request_experiment(
        db,
        make_dataset(db, folder / "dataset"),
        Recipe(name="toy", **grid),
        name="toy",
        staff_id=None,
        runs_dir=folder / "runs",
        queued=queued,
        **options,
    )
    db.commit()
    return experiment


def make_trained(db, dataset: Dataset, folder: Path) -> Experiment:
    """Two scenarios with two finished runs each, whose folders are there, on forty test images."""
    with DatasetWriter(folder / "data", study="s", map_set="m") as writer:
        for i in range(40):
            label = ("real", "fake")[i % 2]
            writer.add(image_id=f"i{i}", image=PICTURE, label=label, source=label, split="test")
    dataset.folder = str(folder / "data")
    made = Experiment(name="trained", dataset_id=dataset.id, recipe={})
    db.add(made)
    db.flush()
    for scenario, lift in {"classical": 0.2, "cyborg": 1.5}.items():
        for seed in range(2):
            auc = fake_run(folder / "runs", scenario, seed, lift=lift)
            db.add(
                Run(
                    experiment_id=made.id,
                    architecture="net",
                    scenario=scenario,
                    seed=seed,
                    config={"score": "sigmoid"},
                    folder=str(folder / "runs" / f"net-{scenario}-seed{seed}"),
                    state=JobState.SUCCEEDED,
                    metrics={"test/auc": auc},
                    ended_at=datetime.now(UTC),
                )
            )
    db.commit()
    return made
