"""Experiments made quickly: what a test of training needs around it."""

from pathlib import Path

from app.experiments.service import request_experiment
from app.models import Dataset, Experiment, JobState, MapSet
from tests.app.factories import StudyFactory
from training.config import Recipe


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
