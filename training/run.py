"""One run from beginning to end: train, choose the epoch, meet the test split once, write everything down."""

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from training.config import Job, RunConfig
from training.data import loading
from training.data.dataset import Dataset, load_dataset
from training.data.loading import Keep
from training.engine import distributed, loop
from training.engine.checkpoint import load_checkpoint
from training.engine.device import is_out_of_memory, looking_batch, pick_device
from training.engine.setup import Setup, new_backbone, prepare, require_splits, training_samples
from training.engine.trackers import Trackers
from training.errors import DatasetError, RecipeError, RunError, in_words
from training.evaluation.evaluate import Examiner, summarise, write_scores
from training.evaluation.gallery import write_average_human, write_gallery
from training.evaluation.shards import Parts, Shard
from training.events import Evaluated, Event, Failed, Finished, Heartbeat, Metrics
from training.files import read_json, write_json
from training.model.backbones import Backbone
from training.run_folder import RunFolder

FORMAT = 1
LIBRARIES = ("torch", "timm", "numpy", "opencv-python-headless", "safetensors")


def perform(job: Job) -> Iterator[Event]:
    """Do a run, or the rest of one. Every event is on disk before it is told, a failure included.

    A finished run is not done again: it says `finished` and nothing else. Of several processes only the first
    speaks and writes.
    """
    folder = RunFolder(job.out)
    if folder.is_finished:
        yield Finished(metrics=headline(folder))
        return
    dataset = load_dataset(job.dataset)
    require_splits(job.run, dataset)
    require_processes(job.run)
    told = Diary(job.run, folder)
    try:
        for event in _work(job, dataset, folder):
            told.write(event)
            yield event
    except Exception as error:
        folder.append(Failed(error=in_words(error)))
        raise
    finally:
        told.close()


class Diary:
    """Puts events where they stay; only that of the first process has pages."""

    def __init__(self, run: RunConfig, folder: RunFolder) -> None:
        self._folder = folder
        self._trackers = Trackers(run, folder.root) if distributed.is_first() else None

    def write(self, event: Event) -> None:
        if self._trackers is not None and not isinstance(event, Heartbeat):
            if not isinstance(event, Finished):  # written before metrics.json, where all is finished
                self._folder.append(event)
            self._trackers.tell(event)

    def close(self) -> None:
        if self._trackers is not None:
            self._trackers.close()


def _work(job: Job, dataset: Dataset, folder: RunFolder) -> Iterator[Event]:
    try:
        with distributed.together(pick_device(job.run.device)):
            setup = prepare(job.run, dataset, cache=job.cache)
            if distributed.is_first():
                folder.begin(_record(setup, dataset))
            for event in loop.train(setup, folder):
                if distributed.is_first():
                    yield event
        if distributed.is_first():
            chosen = load_checkpoint(folder.best, setup.backbone.net)
            yield from _evaluate(setup, dataset, folder, best_epoch=chosen.best_epoch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        batch = job.run.batch_size
        advice = f"try {batch // 2}" if batch >= 4 else "try a smaller image_size"
        where = pick_device(job.run.device)
        raise OutOfMemory(f"Out of memory on {where} with batch_size = {batch}; {advice}.") from None


def require_processes(run: RunConfig) -> None:
    """A run on several devices needs as many processes."""
    if distributed.processes() != run.devices:
        raise RecipeError(
            f"The run wants {run.devices} devices, but {distributed.processes()} processes are here; start "
            f"it by `torchrun --standalone --nproc-per-node {run.devices} -m training fit …`."
        )


class OutOfMemory(RunError):
    """The device has too little memory for the batch."""


def _evaluate(setup: Setup, dataset: Dataset, folder: RunFolder, *, best_epoch: int) -> Iterator[Event]:
    """Each split once, with the epoch that validation chose; test last."""
    results: dict[str, Metrics] = {}
    shown = "test" if dataset.of("test") else "val"
    write_average_human(folder.maps, setup.train)
    for split in ("train", "val", "test"):
        samples = training_samples(setup.run, dataset) if split == "train" else dataset.of(split)
        samples = loading.limited(samples, setup.run.limit)
        if not samples:
            continue
        parts = Parts(
            _examiner(setup.run, setup.backbone, folder), dataset, samples, folder.root, folder.best
        )
        yield from parts.work(Shard(), what=f"evaluate {split}")
        scores, looks = parts.merged()
        results[split] = summarise(scores, looks, headline=setup.run.score)
        write_scores(folder.scores / f"{split}.csv", scores)
        if split == shown:
            tensor = setup.backbone.cam_tensor
            write_gallery(folder.maps, scores, looks, split=split, cam_tensor=tensor)
        parts.forget()
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
    backbone = new_backbone(run, expects=folder.expects())
    load_checkpoint(folder.best, backbone.net)
    return run, backbone.to(pick_device(device)).eval()


def evaluate_elsewhere(
    run_dir: Path, data_dir: Path, *, split: str, name: str, device: str, shard: Shard | None = None
) -> Iterator[Heartbeat | Metrics | list[int]]:
    """A finished run meets a split of another dataset.

    Goes on where it was cut off. The last thing it yields are the metrics, or the numbers of the parts that
    are still missing because they are other jobs'.
    """
    folder = RunFolder(run_dir)
    run, backbone = open_run(folder, device=device)
    dataset = load_dataset(data_dir)
    samples = dataset.of(split)
    if not samples:
        raise DatasetError(f"The dataset {data_dir} has no {split} split.")
    target = folder.root / "evaluations" / name
    parts = Parts(_examiner(run, backbone, folder), dataset, samples, target, folder.best)
    yield from parts.work(shard or Shard(), what=f"evaluate {split}")
    missing = parts.missing()
    if missing:
        yield missing
        return
    try:
        scores, looks = parts.merged()
    except FileNotFoundError:  # another job ended at the same moment: it has written the same
        yield read_json(target / f"{split}.json")["metrics"]
        return
    metrics = summarise(scores, looks, headline=run.score)
    write_scores(target / f"{split}.csv", scores)
    write_json(target / f"{split}.json", {"dataset": dataset.id, "split": split, "metrics": metrics})
    parts.forget()
    yield metrics


def _examiner(run: RunConfig, backbone: Backbone, folder: RunFolder) -> Examiner:
    batch_size = looking_batch(run.batch_size, backbone.weight.device)
    keep = Keep(run.cache, folder.root.parent / ".cache")
    return Examiner(backbone, run.objective.cam_class, batch_size, run.workers, keep)


def _record(setup: Setup, dataset: Dataset) -> dict[str, Any]:
    """Everything needed to repeat the run."""
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
        "start": asdict(setup.start),
        **backbone_record(setup.backbone),
        "map_size": list(setup.map_size),
        "maps": setup.maps,
        "cautions": list(setup.cautions),
        "computation": setup.computation.as_record(),
        **software_record(),
        "device": _device_name(setup.device),
        "threads": torch.get_num_threads(),
    }


def backbone_record(backbone: Backbone) -> dict[str, Any]:
    """What a network takes of a picture, and what is not the same wherever it has its name."""
    return {
        "input": backbone.expects.as_record(),
        "network": {"dropout": backbone.dropout, "cam_tensor": backbone.cam_tensor},
    }


def software_record() -> dict[str, Any]:
    """Which code, on which libraries."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    return {"code": code_hash(Path(__file__).parent), "versions": versions}


def code_hash(package: Path) -> str:
    """SHA-256 over every source file of a package: which code made a run, with or without git."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
