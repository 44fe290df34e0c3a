"""MENTOR: before it learns labels, the trunk learns to draw the maps of the training images.

After Crum and Czajka, *MENTOR: Human Perception-Guided Pretraining for Increased Generalization*, WACV 2025;
docs/losses.md says what is theirs. Runs with the same stage share its result.
"""

import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from training.config import NEEDS_FOLDER, Attention, Pretraining, RunConfig
from training.data import loading
from training.data.cache import cache_key
from training.data.dataset import DatasetFolder
from training.data.human_maps import MapSettings
from training.data.selection import training_samples
from training.engine.device import pick_device, set_determinism
from training.engine.map_learning import (
    LEAST_MAPS,
    MapLearner,
    MapLearning,
    learned,
    load_map_images,
    too_few_maps,
)
from training.engine.setup import new_backbone
from training.events import HeartbeatEvent
from training.files import FolderBusyError, own_code_hash, resumable_folder
from training.model.backbones import Backbone
from training.model.map_networks import TrunkWithDecoder
from training.model.pretrained_trunk import RECORD, PretrainedTrunk, write_trunk
from training.model.weights import initialise

FORMAT = 1
WAIT_S = 1.0
WHAT = "pretraining on maps"


def require_maps_to_learn(run: RunConfig, dataset: DatasetFolder) -> None:
    """`DatasetError` if the dataset has too few maps for the stage before training; reads no map."""
    if run.pretrain is None or run.pretrain.maps in NEEDS_FOLDER:
        return
    samples = training_samples(run, dataset)
    rate = run.pretrain.keep_rate
    kept = [sample for sample in samples if sample.map and loading.uses_map(sample, rate=rate, seed=run.seed)]
    if len(kept) < LEAST_MAPS:
        raise too_few_maps(dataset, len(kept), of=len(samples))


def pretrained_trunk(
    run: RunConfig, dataset: DatasetFolder, cache: Path
) -> Generator[HeartbeatEvent, None, PretrainedTrunk | None]:
    """The trunk after the stage before training; None for a run without one. Yields heartbeats.

    A stage that was interrupted goes on after its last complete epoch; one that another process is at is
    waited for.

    cache : folder in which its result is kept for the runs that share it
    `DatasetError`: too few maps. `ModelError`: the weights cannot be had
    """
    if run.pretrain is None:
        return None
    require_maps_to_learn(run, dataset)
    backbone, begun = _begin(run, run.pretrain, dataset)
    folder = cache / f"pretrained-{cache_key(begun)}"
    while not (folder / RECORD).is_file():
        try:
            with resumable_folder(folder, begun) as draft:
                yield from _learn(run, run.pretrain, dataset, backbone, draft, begun)
        except FolderBusyError:
            yield HeartbeatEvent(doing=f"{WHAT} in another process")
            time.sleep(WAIT_S)
    return PretrainedTrunk.read(folder)


def _begin(run: RunConfig, stage: Pretraining, dataset: DatasetFolder) -> tuple[Backbone, dict[str, Any]]:
    """The network with the weights that the run would begin with, and everything that decides the result."""
    torch.manual_seed(loading.stream_seed(run.seed, "weights"))
    # The stage trains everything, and reads what the classifier pools, whatever the run does afterwards.
    backbone = new_backbone(run.model_copy(update={"freeze": "none", "cam_tensor": "pooled"}))
    start = initialise(backbone, architecture=run.architecture, weights=run.weights)
    map_settings = _map_settings(run, stage)
    samples = training_samples(run, dataset)
    return backbone, {
        "format": FORMAT,
        "settings": stage.model_dump(mode="json"),
        "architecture": run.architecture,
        "attention": isinstance(run.objective, Attention),
        "pooling": run.pooling,
        "input": backbone.network_input.as_record(),
        "start": {key: value for key, value in asdict(start).items() if key != "pretraining"},
        "seed": run.seed,
        "dataset": dataset.id,
        "splits": list(run.train_splits),
        "limit": run.limit,
        "leave_out": run.leave_out,
        "train_until": run.train_until,
        "sample_ids": cache_key([sample.image_id for sample in samples]),
        "maps": map_settings.fingerprint(samples),
        "teacher": map_settings.teacher_record(samples),
        "code": own_code_hash(),
    }


def _map_settings(run: RunConfig, stage: Pretraining) -> MapSettings:
    return MapSettings(stage.maps, stage.maps_folder, run.seed)


def _learn(
    run: RunConfig,
    stage: Pretraining,
    dataset: DatasetFolder,
    backbone: Backbone,
    draft: Path,
    begun: dict[str, Any],
) -> Generator[HeartbeatEvent, None, None]:
    device = pick_device(run.device)
    set_determinism(run, device)
    images = load_map_images(
        run, dataset, _map_settings(run, stage), backbone.network_input, rate=stage.keep_rate
    )
    torch.manual_seed(loading.stream_seed(run.seed, "decoder"))
    net = TrunkWithDecoder(backbone).to(device)
    learning = MapLearning(stage.epochs, stage.batch_size, stage.lr, seed=run.seed)
    learner = MapLearner(net, backbone.normalise, learning, draft)
    progress = yield from learner.learn(images, what=WHAT)
    write_trunk(draft, backbone, {**begun, **images.counts, **learned(progress)})
    learner.forget_checkpoints()
