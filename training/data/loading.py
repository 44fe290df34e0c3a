"""Load images and human maps as tensors: decoded once, kept as bytes, scaled on the device per batch."""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data.cache import Where, cache_key, cached_array, goes_to_disk, is_cached
from training.data.dataset import DatasetFolder, Sample
from training.data.human_maps import MapSettings, load_maps
from training.data.pixels import pixels_of
from training.model.network_input import Bytes, NetworkInput, resized

EVERY: Final = slice(None)
ON_DEVICE_SHARE: Final = 0.4
"""The images stay on a GPU if they take no more than this share of its free memory."""


@dataclass(frozen=True, slots=True)
class SampleTensors:
    """A split, or a batch of it: images as bytes, maps at the size of the CAM.

    Behind a frozen trunk, features (N, C, h, w) float32 take the place of the images.
    """

    images: Tensor  # (N, 3, side, side) uint8
    labels: Tensor  # (N,) int64
    human: Tensor  # (N, h, w) float32 in [0, 1]; NaN where there is none
    present: Tensor  # (N,) bool
    mirrored: Tensor | None = None  # (N, C, h, w): the features of the mirrored images, in a whole split
    weights: Tensor | None = None  # (N,) float32 of their cross-entropy; None: all weigh the same

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, index: Tensor, device: torch.device, *, images: slice = EVERY) -> "SampleTensors":
        """These samples, on the device.

        index : (N,) int64 on the CPU
        images : slice of `index` whose images this process needs; labels and maps come for all N
        """
        here = index.to(device, non_blocking=True)
        pixels = _rows(self.images, index[images], here[images])
        weights = None if self.weights is None else self.weights[here]
        return SampleTensors(pixels, self.labels[here], self.human[here], self.present[here], weights=weights)

    def mirror_features(self, batch: "SampleTensors", index: Tensor, chosen: Tensor) -> "SampleTensors":
        """A batch of features with those of mirrored images where `chosen` (n,) says so."""
        if self.mirrored is None or not chosen.any():
            return batch
        here = index.to(batch.labels.device, non_blocking=True)
        other = _rows(self.mirrored, index, here)
        where = chosen.to(here.device).view(-1, 1, 1, 1)
        return replace(batch, images=torch.where(where, other, batch.images))

    def to_device(self, device: torch.device) -> "SampleTensors":
        """On a GPU: moved there, but images that do not fit stay in memory. On a CPU: itself."""
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        # Labels and maps are small and always moved; the network needs the rest of the memory.
        mirrored_bytes = 0 if self.mirrored is None else self.mirrored.nbytes
        fits = self.images.nbytes + mirrored_bytes <= ON_DEVICE_SHARE * free
        images = self.images.to(device) if fits else self.images
        mirrored = self.mirrored.to(device) if fits and self.mirrored is not None else self.mirrored
        labels, human, present = (part.to(device) for part in (self.labels, self.human, self.present))
        weights = None if self.weights is None else self.weights.to(device)
        return SampleTensors(images, labels, human, present, mirrored, weights)

    def clone(self) -> "SampleTensors":
        """The same samples in memory of their own."""
        images, labels, human, present, *weights = (tensor.clone() for tensor in self._tensors)
        return SampleTensors(images, labels, human, present, weights=weights[0] if weights else None)

    def copy_from(self, other: "SampleTensors") -> None:
        """Overwrite these tensors with those of as many other samples, in place."""
        for target, source in zip(self._tensors, other._tensors, strict=True):
            target.copy_(source, non_blocking=True)

    @property
    def _tensors(self) -> tuple[Tensor, ...]:
        """Those of a batch."""
        weights = () if self.weights is None else (self.weights,)
        return self.images, self.labels, self.human, self.present, *weights


def _rows(images: Tensor, index: Tensor, here: Tensor) -> Tensor:
    """Some of the images, or features, on the device of `here`, the same index there."""
    if images.device == here.device:
        return images[here]
    shape = (len(index), *images.shape[1:])
    # Pinned memory lets the copy to the GPU run beside the computation of the batch before.
    staged = torch.empty(shape, dtype=images.dtype, pin_memory=True)
    torch.index_select(images, 0, index, out=staged)
    return staged.to(here.device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where decoded images are kept while they are not on a GPU.

    folder : of the files; None keeps images in memory
    """

    where: Where = "memory"
    folder: Path | None = None


def load(
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    *,
    network_input: NetworkInput,
    map_size: tuple[int, int],
    workers: int | None = None,
    map_settings: MapSettings | None = None,
    cache: CacheSettings | None = None,
    features: Tensor | None = None,
) -> SampleTensors:
    """Images, labels and maps of these samples; images come from the disk cache where they are in it.

    network_input : side and resize of the images, whatever their shape was
    map_size : height and width of the CAM, to which maps are resized here, once
    workers : threads that decode; None is one per core
    map_settings : which maps; None is those of the dataset
    cache : None decodes into memory
    features : (N, C, h, w) to use in place of the images
    `DatasetError`: an image or map file is missing or damaged
    """
    images = features
    if images is None:
        pixels = _all_images(dataset, samples, network_input, workers, cache or CacheSettings())
        images = torch.from_numpy(pixels)
    human = load_maps(dataset, samples, map_size, map_settings)
    labels = torch.tensor([sample.target for sample in samples], dtype=torch.int64)
    # One NaN in a map would spoil the loss of its batch, so such a map counts as missing.
    present = ~human.isnan().any(dim=-1).any(dim=-1)
    return SampleTensors(images, labels, human, present)


def _all_images(
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    network_input: NetworkInput,
    workers: int | None,
    cache: CacheSettings,
) -> Bytes:
    images = disk_cached_images(dataset, samples, network_input=network_input, workers=workers, cache=cache)
    if images is None:
        images = np.empty((len(samples), 3, network_input.side, network_input.side), np.uint8)
        for i, image in enumerate(_decoded(dataset.root, samples, network_input, workers)):
            images[i] = image
    return images


def disk_cached_images(
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    *,
    network_input: NetworkInput,
    workers: int | None,
    cache: CacheSettings,
    of: int | None = None,
) -> Bytes | None:
    """The decoded images (N, 3, side, side) uint8, mapped from the disk cache; None if it is not used.

    of : number of images in the whole split, if these are a part of it: the disk must have room for all
    """
    if cache.folder is None or cache.where == "memory":
        return None
    shape = (len(samples), 3, network_input.side, network_input.side)
    ids = [sample.image_id for sample in samples]
    key = cache_key(dataset.id, network_input.side, network_input.resize, ids)
    whole = math.prod(shape[1:]) * (of or len(samples))
    if not is_cached(cache.folder, key, shape) and not goes_to_disk(cache.where, cache.folder, whole):
        return None

    def fill(images: Bytes) -> Iterator[None]:
        for i, image in enumerate(_decoded(dataset.root, samples, network_input, workers)):
            images[i] = image
            yield

    return cached_array(cache.folder, key, shape, fill)


def _decoded(
    root: Path, samples: Sequence[Sample], network_input: NetworkInput, workers: int | None
) -> Iterator[Bytes]:
    # Threads suffice: OpenCV releases Python's lock while it decodes.
    with ThreadPoolExecutor(_threads(workers)) as pool:
        yield from pool.map(lambda sample: decode_image(root / sample.path, network_input), samples)


def _threads(workers: int | None) -> int:
    return workers or os.cpu_count() or 1


def decode_image(path: Path, network_input: NetworkInput) -> Bytes:
    """An image file of any shape -> (3, side, side) uint8 RGB; `DatasetError` if it cannot be read."""
    return as_input(pixels_of(path), network_input)


def as_input(picture: Bytes, network_input: NetworkInput) -> Bytes:
    """A picture (height, width, 3) uint8 RGB -> (3, side, side), as the network takes it."""
    pixels = resized(picture, network_input.side, network_input.resize)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decoded_batches(
    root: Path,
    samples: Sequence[Sample],
    *,
    network_input: NetworkInput,
    batch_size: int,
    workers: int | None = None,
) -> Iterator[tuple[Sequence[Sample], Tensor]]:
    """Batches of a split too large for memory; the next one is decoded while the caller uses this one.

    Yields the samples of a batch and their images (N, 3, side, side) uint8; nothing for no samples.
    """
    with ThreadPoolExecutor(_threads(workers)) as pool:
        pending = None
        for chunk in _chunks(samples, batch_size):
            # `map` starts at once: these decode while the caller works on the batch before.
            images = pool.map(lambda sample: decode_image(root / sample.path, network_input), chunk)
            if pending is not None:
                yield pending[0], torch.from_numpy(np.stack(list(pending[1])))
            pending = (chunk, images)
        if pending is not None:
            yield pending[0], torch.from_numpy(np.stack(list(pending[1])))


def cached_batches(
    samples: Sequence[Sample], images: NDArray[Any], *, batch_size: int
) -> Iterator[tuple[Sequence[Sample], Tensor]]:
    """The same batches of images (N, 3, side, side) that are decoded already, or of features."""
    for begin in range(0, len(samples), batch_size):
        part = slice(begin, begin + batch_size)
        yield samples[part], torch.from_numpy(images[part])


def subsample_maps(
    tensors: SampleTensors, samples: Sequence[Sample], *, rate: float, seed: int
) -> SampleTensors:
    """Drop the maps of all but a fraction `rate` of the images, chosen by seed and image id alone."""
    used = torch.tensor([uses_map(sample, rate=rate, seed=seed) for sample in samples], dtype=torch.bool)
    return replace(tensors, present=tensors.present & used)


def uses_map(sample: Sample, *, rate: float, seed: int) -> bool:
    """Whether the map of an image is in the fraction that is used; a larger rate keeps those of a smaller."""
    # The seed of a stream is uniform in [0, 2**63), so this is a uniform draw in [0, 1) for each image.
    return stream_seed(seed, "keep", sample.image_id) / 2**63 < rate


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A generator of its own for each purpose, so that no draw depends on how many came before it."""
    return torch.Generator().manual_seed(stream_seed(seed, *purpose))


def stream_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed from the run's seed and what it is for."""
    # Not Python's hash, which differs from process to process.
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _chunks(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    remaining = iter(samples)
    while chunk := list(islice(remaining, size)):
        yield chunk
