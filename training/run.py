"""One run from beginning to end: train, choose the epoch, meet the test split once, write everything down."""

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from training import loop
from training.backbones import Backbone, build
from training.checkpoint import load_checkpoint
from training.config import Job, RunConfig
from training.dataset import Dataset, load_dataset
from training.device import is_out_of_memory, pick_device
from training.errors import DatasetError, RunError
from training.evaluate import assess, summarise, write_scores
from training.events import Evaluated, Event, Finished, Heartbeat, Metrics
from training.folder import RunFolder, read_json, write_json
from training.gallery import write_average_human, write_gallery
from training.setup import Setup, prepare

FORMAT = 1
LIBRARIES = ("torch", "timm", "numpy", "opencv-python-headless", "safetensors")


def perform(job: Job) -> Iterator[Event]:
    """Do a run, or the rest of one. Every event is on disk before it is told.

    A finished run is not done again: it says `finished` and nothing else.
    """
    folder = RunFolder(job.out)
    if folder.is_finished:
        yield Finished(metrics=headline(folder))
        return
    dataset = load_dataset(job.dataset)
    setup = prepare(job.run, dataset)
    folder.begin(_record(setup, dataset))
    for event in _work(setup, dataset, folder):
        if not isinstance(event, Heartbeat | Finished):
            folder.append(event)
        yield event


def _work(setup: Setup, dataset: Dataset, folder: RunFolder) -> Iterator[Event]:
    try:
        yield from loop.train(setup, folder)
        chosen = load_checkpoint(folder.best, setup.backbone.net)
        yield from _evaluate(setup, dataset, folder, best_epoch=chosen.best_epoch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        smaller = max(2, setup.run.batch_size // 2)
        raise OutOfMemory(
            f"Out of memory on {setup.device} with batch_size = {setup.run.batch_size}; try {smaller}."
        ) from None


class OutOfMemory(RunError):
    """The device has too little memory for the batch."""


def _evaluate(setup: Setup, dataset: Dataset, folder: RunFolder, *, best_epoch: int) -> Iterator[Event]:
    """Each split once, with the epoch that validation chose; test last."""
    results: dict[str, Metrics] = {}
    shown = "test" if dataset.of("test") else "val"
    write_average_human(folder.maps, setup.train)
    for split in ("train", "val", "test"):
        samples = dataset.of(*setup.run.train_splits) if split == "train" else dataset.of(split)
        if not samples:
            continue
        for outcome in assess(
            setup.backbone,
            dataset,
            samples,
            cam_class=setup.run.objective.cam_class,
            workers=setup.run.workers,
            what=f"evaluate {split}",
        ):
            if not isinstance(outcome, tuple):
                yield outcome
                continue
            scores, looks = outcome
            results[split] = summarise(scores, looks, headline=setup.run.score)
            write_scores(folder.scores / f"{split}.csv", scores)
            if split == shown:
                write_gallery(folder.maps, scores, looks, split=split)
        yield Evaluated(split=split, metrics=results[split])
    finished = Finished(metrics=_flat(results, best_epoch))
    folder.append(finished)
    write_json(folder.metrics, {"format": FORMAT, "best_epoch": best_epoch, "splits": results})
    yield finished


def headline(folder: RunFolder) -> Metrics:
    """The numbers of a finished run, one name each."""
    stored = read_json(folder.metrics)
    return _flat(stored["splits"], stored["best_epoch"])


def _flat(results: dict[str, Metrics], best_epoch: int) -> Metrics:
    named = {f"{split}/{name}": value for split, row in results.items() for name, value in row.items()}
    return {"best_epoch": float(best_epoch), **named}


def open_run(folder: RunFolder, *, device: str = "auto") -> tuple[RunConfig, Backbone]:
    """The network of a run, with the weights of its chosen epoch."""
    run = folder.config()
    if not folder.best.is_file():
        raise RunError(f"{folder.root} has no checkpoint yet: the run has not finished its first epoch.")
    backbone = build(run.architecture, image_size=run.image_size)
    load_checkpoint(folder.best, backbone.net)
    return run, backbone.to(pick_device(device)).eval()


def evaluate_elsewhere(
    run_dir: Path, data: Path, *, split: str, name: str, device: str
) -> Iterator[Heartbeat | Metrics]:
    """A finished run meets a split of another dataset; the last thing it yields are the metrics."""
    folder = RunFolder(run_dir)
    run, backbone = open_run(folder, device=device)
    dataset = load_dataset(data)
    samples = dataset.of(split)
    if not samples:
        raise DatasetError(f"The dataset {data} has no {split} split.")
    assessed = assess(
        backbone,
        dataset,
        samples,
        cam_class=run.objective.cam_class,
        workers=run.workers,
        what=f"evaluate {split}",
    )
    for outcome in assessed:
        if isinstance(outcome, Heartbeat):
            yield outcome
            continue
        metrics = summarise(*outcome, headline=run.score)
        target = folder.root / "evaluations" / name
        write_scores(target / f"{split}.csv", outcome[0])
        write_json(target / f"{split}.json", {"dataset": dataset.id, "split": split, "metrics": metrics})
        yield metrics


def _record(setup: Setup, dataset: Dataset) -> dict[str, Any]:
    """Everything needed to repeat the run."""
    expects = setup.backbone.expects
    return {
        "format": FORMAT,
        "name": setup.run.name,
        "config": setup.run.model_dump(mode="json"),
        "dataset": {
            "id": dataset.id,
            "path": str(dataset.root.resolve()),
            "study": dataset.study,
            "map_set": dataset.map_set,
            "counts": dataset.counts,
        },
        "input": {"side": expects.side, "mean": expects.mean, "std": expects.std},
        "map_size": list(setup.train.human.shape[1:]),
        "code": code_hash(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "device": _device_name(setup.device),
        "threads": torch.get_num_threads(),
    }


def code_hash() -> str:
    """SHA-256 over the sources of this package: which code made a run, with or without version control."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
