"""Let a finished run draw maps for images that nobody painted; they train other runs as `maps = "teacher"`.

After Crum, Boyd, Bowyer and Czajka, *Teaching AI to Teach*, BMVC 2023: docs/losses.md, "Teacher maps".
"""

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import torch
from safetensors.torch import save
from torch import Tensor

from saliency.images.resizing import resize
from saliency.maps.png import encode_map_png
from training.config import CamClass, RunConfig
from training.data import loading
from training.data.dataset import SPLITS, DatasetFolder, Sample, load_dataset
from training.data.human_maps import MapSettings, source_image
from training.data.teacher_maps import FORMAT, MANIFEST
from training.engine.device import inference_batch_size, set_determinism
from training.engine.map_learning import MapLearner, MapLearning, learned, load_map_images
from training.errors import DatasetError, RecipeError, RunError
from training.evaluation.evaluator import Evaluator
from training.events import HeartbeatEvent
from training.files import file_sha256, read_json, resumable_folder, write_bytes, write_json
from training.model.backbones import Backbone
from training.model.cam import is_flat, min_max
from training.model.map_networks import UNet
from training.model.rise import RiseSettings, rise
from training.run import open_run, software_record
from training.run_folder import RunFolder

Method = Literal["cam", "rise", "unet"]
Draw = Callable[[Tensor, Tensor], Tensor]
"""Images (N, 3, side, side) uint8 and labels (N,) -> maps (N, h, w) in [0, 1]."""

TAUGHT: Final = ("train", "extra")
"""The splits that are drawn for where none is named: those that runs are trained on."""
UNET: Final = "unet.safetensors"
BATCHES: Final = "batches"
RISE_BATCH: Final = 16
"""Images whose masked copies pass through the network together."""
UNET_LEARNING: Final = MapLearning(epochs=60, batch_size=8, lr=1e-3, patience=10, mirror=True)


@dataclass(frozen=True, slots=True)
class TeachSettings:
    """How maps are drawn, and for which images."""

    method: Method = "cam"
    splits: tuple[str, ...] = ()
    """Empty: those of `TAUGHT` that the dataset has."""
    every_image: bool = False
    """Draw for images with a human map, too."""
    rise: RiseSettings = field(default_factory=RiseSettings)
    unet: MapLearning = UNET_LEARNING


def teach_settings(
    method: str, splits: str | None, *, every_image: bool, masks: int, grid: int, seed: int
) -> TeachSettings:
    """Settings as a command has them; `RecipeError` for an unknown method."""
    if method not in get_args(Method):
        raise RecipeError(f"There is no method {method!r}; the known ones are {', '.join(get_args(Method))}.")
    names = tuple(name.strip() for name in splits.split(",")) if splits else ()
    return TeachSettings(cast("Method", method), names, every_image, RiseSettings(masks, grid, seed=seed))


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What teaches whom: the network of a run, and the images to draw for."""

    folder: RunFolder
    run: RunConfig
    backbone: Backbone
    dataset: DatasetFolder
    samples: tuple[Sample, ...]
    settings: TeachSettings

    @property
    def batch_size(self) -> int:
        return inference_batch_size(self.run.batch_size, self.backbone.weight.device)


def teach(
    run_dir: Path, data_dir: Path, out_dir: Path, settings: TeachSettings, *, device: str = "auto"
) -> Generator[HeartbeatEvent, None, dict[str, Any]]:
    """Draw the maps of images and write them with a manifest; returns its content, yields heartbeats.

    The folder appears when all is done; a call that was interrupted goes on where it was. The same run,
    dataset and settings give the same bytes on the same machine.

    `RunError`: no finished run, or the folder exists. `DatasetError`: nothing to draw for, or too few maps
    """
    lesson = _lesson(run_dir, data_dir, settings, device)
    about = _about(lesson)
    with resumable_folder(out_dir, about) as draft:
        draw, learning = yield from _drawer(lesson, draft)
        files = yield from _draw_all(lesson, draw, draft)
        about["learned_from"] |= learning
        manifest = {**about, "cautions": _cautions(lesson, files), "files": files}
        write_json(draft / MANIFEST, manifest)
        _tidy(draft)
    return manifest


def _tidy(draft: Path) -> None:
    """Delete what only a call that goes on needs."""
    shutil.rmtree(draft / BATCHES)
    for path in draft.glob("*.safetensors"):
        if path.name != UNET:
            path.unlink()


def _lesson(run_dir: Path, data_dir: Path, settings: TeachSettings, device: str) -> _Lesson:
    folder = RunFolder(run_dir)
    if not folder.is_finished:
        folder.record()  # says when this is no run folder at all
        raise RunError(f"{run_dir} has not finished; a teacher is a finished run.")
    dataset = load_dataset(data_dir)
    samples = _samples(dataset, settings)
    run, backbone = open_run(folder, device=device)
    set_determinism(run, backbone.weight.device)
    return _Lesson(folder, run, backbone, dataset, samples, settings)


def _samples(dataset: DatasetFolder, settings: TeachSettings) -> tuple[Sample, ...]:
    for split in settings.splits:
        if split not in SPLITS:
            raise DatasetError(f"There is no split {split!r}; the known ones are {', '.join(SPLITS)}.")
        if not dataset.of(split):
            raise DatasetError(f"The dataset {dataset.root} has no {split} split.")
    splits = settings.splits or TAUGHT
    samples = tuple(s for s in dataset.of(*splits) if settings.every_image or not s.map)
    if not samples:
        raise DatasetError(
            f"Every image of {', '.join(splits)} in {dataset.root} has a human map; --all draws them all."
        )
    return samples


def _about(lesson: _Lesson) -> dict[str, Any]:
    """Everything that decides the maps, as the manifest has it."""
    settings, record = lesson.settings, lesson.folder.record()
    chosen = {
        "cam": {"cam_class": _cam_class(lesson.run), "map": lesson.run.map},
        "rise": asdict(settings.rise),
    }
    parameters = chosen.get(settings.method, asdict(replace(settings.unet, seed=lesson.run.seed)))
    learned_from = record.get("dataset", {})
    return {
        "format": FORMAT,
        "method": settings.method,
        "parameters": parameters,
        "run": {
            "name": record.get("name", lesson.folder.root.name),
            "weights_sha256": file_sha256(lesson.folder.best),
            "record_sha256": file_sha256(lesson.folder.root / "run.json"),
            "code": record.get("code"),
            "objective": lesson.run.objective.title,
        },
        "learned_from": {
            "dataset": learned_from.get("id"),
            "splits": list(lesson.run.train_splits),
            "maps": lesson.run.maps,
        },
        "dataset": {
            "id": lesson.dataset.id,
            "study": lesson.dataset.study,
            "map_set": lesson.dataset.map_set,
        },
        "splits": sorted({sample.split for sample in lesson.samples}),
        "every_image": settings.every_image,
        **software_record(),
    }


def _cam_class(run: RunConfig) -> CamClass:
    """The difference of the classes where the run was guided by it, else the CAM of the true class."""
    return "difference" if run.objective.cam_class == "difference" else "true"


def _drawer(lesson: _Lesson, draft: Path) -> Generator[HeartbeatEvent, None, tuple[Draw, dict[str, Any]]]:
    """What draws, and what it learned from beside what the run did."""
    backbone, settings = lesson.backbone, lesson.settings
    match settings.method:
        case "cam":
            evaluator = Evaluator(backbone, _cam_class(lesson.run))
            return lambda images, labels: evaluator.predict(images, labels)[1], {}
        case "rise":
            return lambda images, labels: _rise_maps(backbone, images, labels, settings.rise), {}
        case "unet":
            return (yield from _unet(lesson, draft))


def _rise_maps(backbone: Backbone, images: Tensor, labels: Tensor, settings: RiseSettings) -> Tensor:
    device = backbone.weight.device

    def probability(masked: Tensor) -> Tensor:
        """Of the true class."""
        _, logits = backbone(masked)
        target = labels.to(device).repeat_interleave(len(logits) // len(labels))
        probabilities: Tensor = logits.float().softmax(dim=1)
        return probabilities.gather(1, target[:, None])[:, 0]

    return min_max(rise(probability, backbone.normalise(images.to(device)), settings))


def _unet(lesson: _Lesson, draft: Path) -> Generator[HeartbeatEvent, None, tuple[Draw, dict[str, Any]]]:
    """A U-Net that has learned the very maps that guided the run, from the run's own training images."""
    run, backbone, device = lesson.run, lesson.backbone, lesson.backbone.weight.device
    rate = float(getattr(run.objective, "keep_rate", 1.0))
    map_settings = MapSettings(run.maps, run.maps_folder, run.seed)
    images = load_map_images(run, _own_dataset(lesson), map_settings, backbone.network_input, rate=rate)
    torch.manual_seed(loading.stream_seed(run.seed, "unet"))
    net = UNet().to(device)
    learner = MapLearner(net, backbone.normalise, replace(lesson.settings.unet, seed=run.seed), draft)
    progress = yield from learner.learn(images, what="learn maps")
    weights = draft / UNET
    write_bytes(weights, save({name: value.cpu() for name, value in net.state_dict().items()}))

    @torch.inference_mode()
    def draw(pixels: Tensor, _labels: Tensor) -> Tensor:
        drawn: Tensor = net.eval()(backbone.normalise(pixels.to(device)))
        return min_max(drawn)

    return draw, {**images.counts, **learned(progress), "unet_sha256": file_sha256(weights)}


def _own_dataset(lesson: _Lesson) -> DatasetFolder:
    """The dataset of the run: the one to draw for, or that of its record.

    `DatasetError`: it is gone, or was changed
    """
    record = lesson.folder.record().get("dataset", {})
    if record.get("id") == lesson.dataset.id:
        return lesson.dataset
    own = load_dataset(Path(record.get("path", "")))
    if own.id != record.get("id"):
        raise DatasetError(
            f"{own.root} is not the dataset any more that {lesson.folder.root} was trained on."
        )
    return own


def _draw_all(
    lesson: _Lesson, draw: Draw, draft: Path
) -> Generator[HeartbeatEvent, None, dict[str, dict[str, str]]]:
    """Draw batch by batch; returns the hashes of each map and of its image, by image id.

    A batch that is done leaves its hashes in a file, so that a call that goes on computes the same batches.
    """
    size = RISE_BATCH if lesson.settings.method == "rise" else lesson.batch_size
    batches = {
        draft / BATCHES / f"{first}.json": lesson.samples[first : first + size]
        for first in range(0, len(lesson.samples), size)
    }
    waiting = {path: samples for path, samples in batches.items() if not path.is_file()}
    decoded = loading.decoded_batches(
        lesson.dataset.root,
        [sample for samples in waiting.values() for sample in samples],
        network_input=lesson.backbone.network_input,
        batch_size=size,
        workers=lesson.run.workers,
    )
    done = len(lesson.samples) - sum(map(len, waiting.values()))
    for path, (samples, images) in zip(waiting, decoded, strict=True):
        yield HeartbeatEvent(doing="draw maps", done=done, total=len(lesson.samples))
        maps = draw(images, torch.tensor([sample.target for sample in samples])).float().cpu()
        write_json(path, dict(_write_maps(lesson.dataset, samples, maps, draft / "maps")))
        done += len(samples)
    return {name: hashes for path in batches for name, hashes in read_json(path).items()}


def _write_maps(
    dataset: DatasetFolder, samples: Sequence[Sample], maps: Tensor, folder: Path
) -> Iterator[tuple[str, dict[str, str]]]:
    """Write each map at the size of its image, but flat ones, which say nothing; yields id and hashes."""
    for sample, values, flat in zip(samples, maps, is_flat(maps).tolist(), strict=True):
        if flat:
            continue
        image, path = source_image(dataset.root, sample), folder / f"{sample.image_id}.png"
        large = resize(values.numpy(), width=image.width, height=image.height).clip(0, 1)
        write_bytes(path, encode_map_png(large))
        yield sample.image_id, {"map": file_sha256(path), "image": dataset.digests[sample.path]}


def _cautions(lesson: _Lesson, files: dict[str, dict[str, str]]) -> list[str]:
    """What a user of the maps must know; usually empty."""
    sentences = []
    tested = sum(sample.split == "test" for sample in lesson.samples)
    if tested:
        sentences.append(f"{tested} of the images are test images: nothing was learned from them.")
    if lesson.settings.method != "unet" and not lesson.run.objective.needs_maps:
        sentences.append(f"The run was not guided by maps: its objective is {lesson.run.objective.name}.")
    if flat := len(lesson.samples) - len(files):
        sentences.append(f"{flat} of {len(lesson.samples)} maps are the same all over, and were left out.")
    return sentences
