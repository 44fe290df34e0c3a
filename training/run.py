"""Do one run from start to end: train, choose the epoch on validation, evaluate each split once."""

import platform
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.config import RunConfig, TrainingJob
from training.data.dataset import DatasetFolder, Sample, load_dataset
from training.data.degradations import CLEAN, Degradation
from training.data.loading import CacheSettings
from training.data.selection import limit_per_split, training_samples, validation_samples
from training.engine import distributed, loop
from training.engine.checkpoint import load_checkpoint
from training.engine.device import inference_batch_size, is_out_of_memory, pick_device
from training.engine.frozen import FrozenTrunk
from training.engine.pretraining import pretrained_trunk
from training.engine.setup import (
    Setup,
    new_backbone,
    prepare,
    require_splits,
)
from training.engine.trackers import Trackers
from training.errors import DatasetError, RecipeError, RunError, in_words
from training.evaluation.degraded import DegradedRow, degraded_logits, degraded_row, fixed_threshold
from training.evaluation.evaluator import Evaluator, SplitLogits, split_metrics, write_scores
from training.evaluation.fast_scoring import Scorer
from training.evaluation.gallery import write_average_human, write_gallery
from training.evaluation.score_table import read_score_table
from training.evaluation.shards import EvaluationParts, Shard
from training.events import EvaluatedEvent, Event, FailedEvent, FinishedEvent, HeartbeatEvent, Metrics
from training.files import file_sha256, own_code_hash, read_json, write_json
from training.model.backbones import Backbone
from training.run_folder import RunFolder

FORMAT = 1
LIBRARIES = ("torch", "timm", "numpy", "opencv-python-headless", "safetensors")


def run_job(job: TrainingJob) -> Generator[Event, None, None]:
    """Do a run, or the rest of one; yields its events, each after it is in events.jsonl.

    A finished run yields only its `finished` event. Of several processes only the first yields and writes.

    `TrainingError`: the user can correct it; like every failure it is written to events.jsonl first
    """
    folder = RunFolder(job.out)
    if folder.is_finished:
        yield FinishedEvent(metrics=headline(folder))
        return
    dataset = load_dataset(job.dataset)
    require_splits(job.run, dataset)
    require_processes(job.run)
    log = EventLog(job.run, folder)
    try:
        for event in _train_and_evaluate(job, dataset, folder):
            log.write(event)
            yield event
    except Exception as error:
        folder.append(FailedEvent(error=in_words(error)))
        raise
    finally:
        log.close()


class EventLog:
    """Writes events to events.jsonl and to the trackers; only the first process writes."""

    def __init__(self, run: RunConfig, folder: RunFolder) -> None:
        self._folder = folder
        self._trackers = Trackers(run, folder.root) if distributed.is_first() else None

    def write(self, event: Event) -> None:
        if self._trackers is not None and not isinstance(event, HeartbeatEvent):
            if not isinstance(event, FinishedEvent):  # `_evaluate` has written it, before metrics.json
                self._folder.append(event)
            self._trackers.report(event)

    def close(self) -> None:
        if self._trackers is not None:
            self._trackers.close()


def _train_and_evaluate(job: TrainingJob, dataset: DatasetFolder, folder: RunFolder) -> Iterator[Event]:
    try:
        with distributed.process_group(pick_device(job.run.device)):
            trunk = yield from pretrained_trunk(job.run, dataset, job.cache)
            setup = yield from prepare(job.run, dataset, cache=job.cache, trunk=trunk)
            if distributed.is_first():
                folder.begin(_record(setup, dataset))
            for event in loop.train(setup, folder):
                if distributed.is_first():
                    yield event
        if distributed.is_first():
            chosen = loop.load_chosen(setup, folder)
            yield from _evaluate(setup, dataset, folder, best_epoch=chosen.best_epoch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        batch = job.run.batch_size
        advice = f"try {batch // 2}" if batch >= 4 else "try a smaller image_size"
        device = pick_device(job.run.device)
        raise OutOfMemory(f"Out of memory on {device} with batch_size = {batch}; {advice}.") from None


def require_processes(run: RunConfig) -> None:
    """`RecipeError` unless there are as many processes as the run has devices."""
    if distributed.world_size() != run.devices:
        raise RecipeError(
            f"The run wants {run.devices} devices, but {distributed.world_size()} processes are here; start "
            f"it by `torchrun --standalone --nproc-per-node {run.devices} -m training fit …`."
        )


class OutOfMemory(RunError):
    """The device has too little memory for the batch."""


def _evaluate(setup: Setup, dataset: DatasetFolder, folder: RunFolder, *, best_epoch: int) -> Iterator[Event]:
    """Evaluate each split once with the chosen epoch, the test split last."""
    results: dict[str, Metrics] = {}
    gallery_split = "test" if dataset.of("test") else "val"
    write_average_human(folder.maps, setup.train)
    scorer = Scorer(_evaluator(setup.run, setup.backbone, folder), fast=setup.run.fast_scoring)
    scoring: dict[str, dict[str, Any]] = {}
    for split in ("train", "val", "test"):
        samples = _samples_of(setup.run, dataset, split)
        if not samples:
            continue
        parts = EvaluationParts(scorer.evaluator, dataset, samples, folder.root, folder.best)
        yield from parts.evaluate(Shard(), what=f"evaluate {split}")
        scores, maps = parts.merged()
        results[split] = split_metrics(scores, maps, headline=setup.run.score)
        scoring |= {split: scorer.record(dataset, scores, setup.run.score)} if scorer.is_fast else {}
        write_scores(folder.scores / f"{split}.csv", scores)
        if split == gallery_split:
            shown = (setup.backbone.model_map, setup.backbone.cam_tensor)
            write_gallery(folder.maps, scores, maps, split=split, shown=shown)
        parts.remove()
        yield EvaluatedEvent(split=split, metrics=results[split])
    finished = FinishedEvent(metrics=_flat(results, best_epoch))
    folder.append(finished)
    how = {"scoring": scoring} if scoring else {}
    write_json(folder.metrics, {"format": FORMAT, "best_epoch": best_epoch, "splits": results, **how})
    yield finished


def _samples_of(run: RunConfig, dataset: DatasetFolder, split: str) -> Sequence[Sample]:
    match split:
        case "train":
            return training_samples(run, dataset)
        case "val":
            return validation_samples(run, dataset)
        case _:
            return limit_per_split(dataset.of(split), run.limit)


def headline(folder: RunFolder) -> Metrics:
    """The metrics of a finished run under one name each, such as `test/auc`."""
    stored = read_json(folder.metrics)
    return _flat(stored["splits"], stored["best_epoch"])


def _flat(results: dict[str, Metrics], best_epoch: int) -> Metrics:
    named = {f"{split}/{name}": value for split, row in results.items() for name, value in row.items()}
    return {"best_epoch": float(best_epoch), **named}


def open_run(folder: RunFolder, *, device: str = "auto") -> tuple[RunConfig, Backbone]:
    """The configuration of a run, and its network with the weights of the chosen epoch, in eval mode.

    `RunError`: no run folder, or no complete epoch yet
    """
    run = folder.config()
    if not folder.best.is_file():
        raise RunError(f"{folder.root} has no checkpoint yet: the run has not finished its first epoch.")
    backbone = new_backbone(run, network_input=folder.network_input())
    load_checkpoint(folder.best, backbone.net)
    return run, backbone.to(pick_device(device)).eval()


def evaluate_dataset(
    run_dir: Path,
    data_dir: Path,
    *,
    split: str,
    name: str,
    device: str,
    shard: Shard | None = None,
    fast: bool = False,
) -> Iterator[HeartbeatEvent | Metrics | list[int]]:
    """Evaluate a run on a split of another dataset; continues where an earlier call was interrupted.

    Yields heartbeats, and last the metrics, or the numbers of the parts that other jobs have not done yet.

    name : of the folder below `evaluations/`
    shard : None evaluates every part that is missing
    fast : as `fast_scoring` of a recipe; the file of the result says what it may change
    """
    folder = RunFolder(run_dir)
    run, backbone = open_run(folder, device=device)
    dataset = load_dataset(data_dir)
    samples = dataset.of(split)
    if not samples:
        raise DatasetError(f"The dataset {data_dir} has no {split} split.")
    target = folder.root / "evaluations" / name
    scorer = Scorer(_evaluator(run, backbone, folder), fast=fast)
    parts = EvaluationParts(scorer.evaluator, dataset, samples, target, folder.best)
    yield from parts.evaluate(shard or Shard(), what=f"evaluate {split}")
    missing = parts.missing()
    if missing:
        yield missing
        return
    try:
        scores, maps = parts.merged()
    except FileNotFoundError:  # another job merged and removed the parts meanwhile, with the same result
        yield read_json(target / f"{split}.json")["metrics"]
        return
    metrics = split_metrics(scores, maps, headline=run.score)
    write_scores(target / f"{split}.csv", scores)
    how = {"scoring": scorer.record(dataset, scores, run.score)} if scorer.is_fast else {}
    write_json(target / f"{split}.json", {"dataset": dataset.id, "split": split, "metrics": metrics, **how})
    parts.remove()
    yield metrics


def evaluate_degraded(
    run_dir: Path,
    data_dir: Path,
    degradations: Sequence[Degradation],
    *,
    split: str,
    name: str,
    device: str,
    seed: int = 0,
) -> Iterator[HeartbeatEvent | list[DegradedRow]]:
    """Evaluate a run on a split as it is and after each degradation; writes `degraded-<split>.json`.

    The threshold of every row is that of the best balanced accuracy on the run's own validation images.
    Yields heartbeats, and last the rows, images as they are first.

    name : of the folder below `evaluations/`
    seed : of what degradations draw at random
    """
    folder = RunFolder(run_dir)
    run, backbone = open_run(folder, device=device)
    validation = folder.scores / "val.csv"
    threshold = fixed_threshold(read_score_table(validation), run.score)
    dataset = load_dataset(data_dir)
    samples = dataset.of(split)
    labels = _labels_of_both(samples, split, data_dir)
    evaluator, rows = _evaluator(run, backbone, folder), list[DegradedRow]()
    for degradation in (None, *degradations):
        for outcome in degraded_logits(evaluator, dataset, samples, degradation, seed=seed):
            if isinstance(outcome, HeartbeatEvent):
                done = (outcome.done or 0) + len(rows) * len(samples)
                total = (len(degradations) + 1) * len(samples)
                yield outcome.model_copy(update={"done": done, "total": total})
                continue
            scores = SplitLogits(samples, outcome).ranking[run.score]
            title = degradation.name if degradation else CLEAN
            rows.append(degraded_row(title, scores, labels, threshold=threshold))
    record = {
        "format": FORMAT,
        "dataset": dataset.id,
        "split": split,
        "score": run.score,
        "seed": seed,
        "weights": file_sha256(folder.best),
        "validation": file_sha256(validation),
        "threshold": threshold,
        "rows": [row.as_record() for row in rows],
        **software_record(),
    }
    write_json(folder.root / "evaluations" / name / f"degraded-{split}.json", record)
    yield rows


def _labels_of_both(samples: Sequence[Sample], split: str, data_dir: Path) -> NDArray[np.bool_]:
    """(N,) True for a fake. `DatasetError`: all images have one label."""
    labels = np.array([sample.label == "fake" for sample in samples], bool)
    if labels.all() or not labels.any():
        raise DatasetError(f"The {split} split of {data_dir} needs images of both labels.")
    return labels


def _evaluator(run: RunConfig, backbone: Backbone, folder: RunFolder) -> Evaluator:
    batch_size = inference_batch_size(run.batch_size, backbone.weight.device)
    image_cache = CacheSettings(run.cache, folder.root.parent / ".cache")
    trunk = FrozenTrunk.of(run, backbone, batch_size=batch_size, cache=image_cache)
    return Evaluator(backbone, run.objective.cam_class, batch_size, run.workers, image_cache, trunk)


def _record(setup: Setup, dataset: DatasetFolder) -> dict[str, Any]:
    """The content of run.json: everything needed to repeat the run."""
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
        "teacher": setup.teacher,
        "cautions": list(setup.cautions),
        "pairs": len(setup.pairs),
        "sample_weights": setup.sample_weights.as_record() if setup.sample_weights else None,
        "computation": setup.computation.as_record(),
        **software_record(),
        "device": _device_name(setup.device),
        "threads": torch.get_num_threads(),
    }


def backbone_record(backbone: Backbone) -> dict[str, Any]:
    """The network's input, and the settings that differ between networks of one architecture."""
    return {
        "input": backbone.network_input.as_record(),
        "network": {
            "dropout": backbone.dropout,
            "cam_tensor": backbone.cam_tensor,
            "map": backbone.model_map,
        },
    }


def software_record() -> dict[str, Any]:
    """Hash of the code, and versions of the libraries."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    return {"code": own_code_hash(), "versions": versions}


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
