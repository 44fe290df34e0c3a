"""Images and human maps as tensors: decoded once, kept as bytes, scaled on the device batch by batch."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.backbones import Input
from training.cam import fit_human
from training.config import MapSource
from training.dataset import Dataset, Sample
from training.errors import DatasetError

Bytes = NDArray[np.uint8]

ON_DEVICE_SHARE = 0.4
"""The images stay on a GPU if they take no more than this part of its free memory."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A split in memory, one byte per channel and pixel; maps at the size of the CAM."""

    images: Tensor  # (N, 3, side, side) uint8
    labels: Tensor  # (N,) int64
    human: Tensor  # (N, h, w) float32 in [0, 1]; NaN where there is none
    present: Tensor  # (N,) bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor, device: torch.device) -> "Cached":
        """These samples, on the device."""
        picked = (
            part[index.to(part.device)] for part in (self.images, self.labels, self.human, self.present)
        )
        return Cached(*(part.to(device, non_blocking=True) for part in picked))

    def near(self, device: torch.device) -> Self:
        """Itself on the GPU when it fits there, else in memory from which a GPU copies fast."""
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        parts = (self.images, self.labels, self.human, self.present)
        fits = self.images.nbytes <= ON_DEVICE_SHARE * free
        return type(self)(*(part.to(device) if fits else part.pin_memory() for part in parts))


def load(
    dataset: Dataset, samples: Sequence[Sample], *, side: int, map_size: tuple[int, int], workers: int
) -> Cached:
    """Decode these samples.

    side : px; images are resized to side × side, as the papers do, whatever their shape
    map_size : of the CAM; human maps are brought to it once, here, from the size at which they are stored
    """
    images = np.empty((len(samples), 3, side, side), np.uint8)
    with ThreadPoolExecutor(workers) as pool:
        decoded = pool.map(lambda sample: decode_image(dataset.root / sample.path, side), samples)
        for i, image in enumerate(decoded):
            images[i] = image
    human = load_human(dataset.root, samples, map_size)
    labels = torch.tensor([sample.target for sample in samples], dtype=torch.int64)
    present = torch.tensor([bool(sample.map) for sample in samples], dtype=torch.bool)
    return Cached(torch.from_numpy(images), labels, human, present)


def load_human(root: Path, samples: Sequence[Sample], size: tuple[int, int]) -> Tensor:
    """Human maps at the size of the CAM, (N, h, w) in [0, 1]; NaN for an image that has none."""
    human = torch.full((len(samples), *size), torch.nan)
    for i, sample in enumerate(samples):
        if sample.map:
            human[i] = fit_human(torch.from_numpy(decode_map(root / sample.map))[None], size)[0]
    return human


def decode_image(path: Path, side: int) -> Bytes:
    """An image file of any shape -> (3, side, side) RGB."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise DatasetError(f"{path} is not an image that can be read.")
    return np.ascontiguousarray(_resize(pixels, side).transpose(2, 0, 1))


def decode_map(path: Path) -> NDArray[np.float32]:
    """A 16-bit greyscale PNG -> (height, width) in [0, 1]."""
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise DatasetError(f"{path} is not a 16-bit greyscale map.")
    return values.astype(np.float32) / np.float32(65535)


def stream(
    root: Path, samples: Sequence[Sample], *, side: int, batch_size: int, workers: int
) -> Iterator[tuple[Sequence[Sample], Tensor]]:
    """Batches of a set too large to keep: the next batch is decoded while the caller works on this one."""
    with ThreadPoolExecutor(workers) as pool:
        waiting = None
        for chunk in _chunks(samples, batch_size):
            ahead = pool.map(lambda sample: decode_image(root / sample.path, side), chunk)
            if waiting is not None:
                yield waiting[0], torch.from_numpy(np.stack(list(waiting[1])))
            waiting = (chunk, ahead)
        if waiting is not None:
            yield waiting[0], torch.from_numpy(np.stack(list(waiting[1])))


def normalise(images: Tensor, expects: Input) -> Tensor:
    """(N, 3, s, s) bytes -> float32 with the mean and deviation that the network expects."""
    mean = torch.tensor(expects.mean, device=images.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(expects.std, device=images.device).view(1, 3, 1, 1) * 255
    return (images.float() - mean) / std


def shuffled_batches(n: int, *, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Indices of each batch of an epoch: a function of seed and epoch alone.

    A last batch of one image joins the batch before it: batch normalisation has nothing to say on one.
    """
    order = torch.randperm(n, generator=generator(seed, "order", epoch))
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def keep_maps(cached: Cached, samples: Sequence[Sample], *, rate: float, seed: int) -> Cached:
    """Forget the maps of all but a fraction of the images; which ones depends on seed and image id alone."""
    kept = torch.tensor([_draw(seed, sample.image_id) < rate for sample in samples], dtype=torch.bool)
    return Cached(cached.images, cached.labels, cached.human, cached.present & kept)


def control_maps(cached: Cached, source: MapSource, *, seed: int) -> Cached:
    """The human maps, or what stands in for them to see whether it is the human part that helps."""
    human = cached.human.clone()
    match source:
        case "shuffled":
            where = cached.present.nonzero().squeeze(1)
            turned = where[torch.randperm(len(where), generator=generator(seed, "maps"))]
            human[turned] = cached.human[turned.roll(1)]
        case "inverted":
            human = 1 - human
        case "uniform":
            human[cached.present] = 1.0
        case "human":
            pass
    return Cached(cached.images, cached.labels, human, cached.present)


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A generator of its own for each purpose, so that no draw depends on how many came before it."""
    return torch.Generator().manual_seed(stream_seed(seed, *purpose))


def stream_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed from the run's seed and what it is for."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _draw(seed: int, image_id: str) -> float:
    return stream_seed(seed, "keep", image_id) / 2**63


def _resize(pixels: Any, side: int) -> Bytes:
    if pixels.shape[:2] == (side, side):
        return np.asarray(pixels, np.uint8)
    shrinks = side < min(pixels.shape[:2])
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=how), np.uint8)


def _chunks(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    rest = iter(samples)
    while chunk := list(islice(rest, size)):
        yield chunk
