"""The whole demonstration: images, a study, participants, maps, a dataset, detectors, and their numbers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.service import add_staff, login_link
from app.db import SessionFactory
from app.demo import material
from app.demo.answers import answer_key, known_artefacts
from app.demo.children import Children
from app.demo.crowd import simulate
from app.demo.detectors import SIDE, demo_recipe
from app.demo.outcome import OutcomeRow, TrainedRun, headline, rows
from app.demo.stages import Stage, Stages
from app.errors import WrongState
from app.experiments.datasets import FreezeParameters, freeze_dataset
from app.experiments.service import request_experiment, runs_of
from app.maps.service import request_map_set
from app.models import (
    ENDED,
    Dataset,
    Experiment,
    Image,
    JobState,
    MapSet,
    Role,
    RunEvent,
    SaliencyMap,
    Staff,
    Study,
)
from app.settings import Settings
from app.stimuli.manifest import Item
from app.storage import BlobStore
from app.studies.progress import ArmProgress, progress
from app.studies.service import count_pairs, create_study, open_study
from saliency.parameters import MapParameters
from training.evaluation.score_table import read_score_table
from training.run_folder import RunFolder

STAFF: Final = "demo@lab.example"
POLL_S: Final = 0.25

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The options of a demonstration."""

    images: Path | None = None
    """A manifest or a folder; None for drawn faces."""
    faces: int = 600
    """How many are drawn."""
    size: int | None = None
    """Side to which listed images are brought; None leaves them as they are."""
    participants: int = 40
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Workplace:
    settings: Settings
    sessions: SessionFactory
    blobs: BlobStore
    children: Children
    stages: Stages


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The results of a demonstration, and what is needed to show them."""

    slug: str
    experiment: int
    headline: str
    rows: list[OutcomeRow]
    split: str
    """The split that the rows are about: test, or val where there is no test."""
    arms: tuple[ArmProgress, ...]


def run_chain(place: Workplace, options: DemoSettings) -> Demonstration:
    """Carry out all steps; `AppError` with one sentence when a step fails."""
    items = bring_images(place, options)
    study_id = make_study(place, options, items)
    with place.stages.stage("Start the server and a worker") as stage:
        place.children.serve()
        place.children.start("worker")
        stage.summary = place.children.url
    take_part(place, options, study_id)
    map_set_id = build_maps(place, study_id)
    dataset_id = freeze(place, map_set_id, items)
    experiment_id = train(place, dataset_id)
    with place.sessions() as session:
        study = session.get_one(Study, study_id)
        outcome_rows, split = tested(session, session.get_one(Experiment, experiment_id))
        conclusion = headline(outcome_rows, drawn=options.images is None)
        return Demonstration(
            study.slug, experiment_id, conclusion, outcome_rows, split, progress(session, study).arms
        )


def bring_images(place: Workplace, options: DemoSettings) -> tuple[Item, ...]:
    """Draw or list the images, then import them."""
    if options.images is None:
        with place.stages.stage("Draw faces") as stage:
            data_dir = place.settings.data_dir
            items = material.drawn_items(data_dir, count=options.faces, seed=options.seed, stage=stage)
    else:
        items = material.listed_items(options.images, seed=options.seed)
    with place.stages.stage("Import the images") as stage:
        material.bring_in(
            place.sessions,
            place.blobs,
            items,
            size=options.size,
            generated=options.images is None,
            stage=stage,
        )
    return items


def make_study(place: Workplace, options: DemoSettings, items: tuple[Item, ...]) -> int:
    """Create and open the study; returns its id."""
    with place.stages.stage("Create and open a study") as stage, place.sessions.begin() as session:
        supply = material.find_material(session, items, generated=options.images is None)
        slug = material.free_slug(session)
        spec = material.describe_study(
            supply, slug=slug, participants=options.participants, seed=options.seed
        )
        study = create_study(session, spec, staff_id=demo_staff(session).id)
        open_study(session, study)
        stage.summary = f"{slug}: {count_pairs(session, study)} pairs, {spec.judgements} judgements of each"
        return study.id


def demo_staff(session: Session) -> Staff:
    """The account that owns what demonstrations make; it has no password, only login links."""
    account = session.scalar(select(Staff).where(Staff.email == STAFF))
    return account or add_staff(session, email=STAFF, name="Demonstration", role=Role.ADMIN)


def demo_login(sessions: SessionFactory) -> str:
    """The path of a page that logs the demonstration's account in once."""
    with sessions.begin() as session:
        return login_link(session, demo_staff(session))


def take_part(place: Workplace, options: DemoSettings, study_id: int) -> None:
    """Simulated participants take the study over HTTP."""
    with place.stages.stage("Simulated participants") as stage:
        with place.sessions() as session:
            study = session.get_one(Study, study_id)
            total = options.participants * study.trials_per_participant
        report = simulate(
            place.children.url,
            study.slug,
            participants=options.participants,
            seed=options.seed,
            key=answer_key(place.sessions, known_artefacts(place.settings.data_dir)),
            sessions=place.sessions,
            on_decision=_counted(stage, total),
        )
        stage.summary = report.sentence()


def _counted(stage: Stage, total: int) -> Callable[[], None]:
    done = 0

    def count_one() -> None:
        nonlocal done
        done += 1
        stage.progress(done, total)

    return count_one


def build_maps(place: Workplace, study_id: int) -> int:
    """Request a map set and wait for the worker; returns its id."""
    with place.stages.stage("Build saliency maps") as stage:
        with place.sessions.begin() as session:
            map_set_id = request_map_set(session, session.get_one(Study, study_id), MapParameters()).id

        def built() -> MapSet | None:
            with place.sessions() as session:
                map_set = session.get_one(MapSet, map_set_id)
                return map_set if map_set.state in ENDED else None

        map_set = _wait(place, built)
        if map_set.state is not JobState.SUCCEEDED:
            raise WrongState(map_set.error or f"the map set is {map_set.state}")
        with place.sessions() as session:
            maps = session.scalar(select(func.count()).where(SaliencyMap.map_set_id == map_set_id))
        stage.summary = f"{maps} maps from {map_set.annotations} annotations"
    return map_set_id


def freeze(place: Workplace, map_set_id: int, items: tuple[Item, ...]) -> int:
    """Freeze the dataset at the size that detectors see, without what other demonstrations set aside.

    Returns its id.
    """
    held_out = tuple(sorted({item.source for item in items if item.split}))
    with place.stages.stage("Freeze the dataset") as stage, place.sessions.begin() as session:
        dataset = freeze_dataset(
            session,
            place.blobs,
            session.get_one(MapSet, map_set_id),
            None,
            datasets_dir=place.settings.datasets_dir,
            parameters=FreezeParameters(size=SIDE, sources=held_out),
            on_progress=stage.progress,
        )
        splits = (f"{split} {row['images']}" for split, row in dataset.counts.items())
        stage.summary = f"{', '.join(splits)} images in {dataset.folder}"
        return dataset.id


def train(place: Workplace, dataset_id: int) -> int:
    """Queue the runs and wait for the worker; returns the experiment's id."""
    recipe = demo_recipe()
    with place.stages.stage("Train detectors") as stage:
        with place.sessions.begin() as session:
            experiment = request_experiment(
                session,
                session.get_one(Dataset, dataset_id),
                recipe,
                name=recipe.name,
                staff_id=demo_staff(session).id,
                runs_dir=place.settings.runs_dir,
                devices=place.children.devices,
            )
            experiment_id = experiment.id
        total = len(recipe.runs()) * recipe.run.epochs
        _wait(place, lambda: _all_trained(place, experiment_id, stage, total))
        stage.summary = f"{len(recipe.runs())} runs of {recipe.run.epochs} epochs"
    return experiment_id


def _all_trained(place: Workplace, experiment_id: int, stage: Stage, total: int) -> bool | None:
    """True once all runs have succeeded, None before; `WrongState` when one failed or was aborted."""
    with place.sessions() as session:
        runs = runs_of(session, session.get_one(Experiment, experiment_id))
        for run in runs:
            if run.state in (JobState.FAILED, JobState.ABORTED):
                raise WrongState(f"{run.architecture} {run.scenario} {run.state}: {run.error}")
        epochs = select(func.count()).where(
            RunEvent.run_id.in_([run.id for run in runs]), RunEvent.kind == "epoch"
        )
        stage.progress(session.scalar(epochs) or 0, total)
        return True if all(run.state is JobState.SUCCEEDED for run in runs) else None


def tested(session: Session, experiment: Experiment) -> tuple[list[OutcomeRow], str]:
    """The rows of an experiment, and the split that they are from."""
    runs = runs_of(session, experiment)
    folders = [RunFolder(Path(run.folder)) for run in runs]
    split = "test" if all((folder.scores / "test.csv").is_file() for folder in folders) else "val"
    trained = [
        TrainedRun(run.scenario, run.seed, read_score_table(folder.scores / f"{split}.csv"))
        for run, folder in zip(runs, folders, strict=True)
    ]
    ids = [int(name) for name in trained[0].scored.image_ids]
    groups = session.execute(select(Image.id, Image.group).where(Image.id.in_(ids), Image.group.is_not(None)))
    return rows(trained, {str(image): str(group) for image, group in groups}), split


def _wait(place: Workplace, poll: Callable[[], Result | None]) -> Result:
    """Call `poll` until it returns a result; `Unavailable` when the server or the worker ends meanwhile."""
    while (result := poll()) is None:
        place.children.check()
        time.sleep(POLL_S)
    return result
