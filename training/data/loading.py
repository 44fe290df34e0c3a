"""Images and human maps as tensors: decoded once, kept as bytes, scaled on the device batch by batch."""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from training.data.cache import Where, goes_to_disk, holds, kept, key_of
from training.data.dataset import Dataset, Sample
from training.data.guidance import Guidance, load_maps
from training.data.pixels import pixels_of
from training.model.network_input import Bytes, Input, resized

EVERY: Final = slice(None)
ON_DEVICE_SHARE: Final = 0.4
"""The images stay on a GPU if they take no more than this part of its free memory."""


@dataclass(frozen=True, slots=True)
class Cached:
    """A split as bytes, one per channel and pixel; maps at the size of the CAM."""

    images: Tensor  # (N, 3, side, side) uint8
    labels: Tensor  # (N,) int64
    human: Tensor  # (N, h, w) float32 in [0, 1]; NaN where there is none
    present: Tensor  # (N,) bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor, device: torch.device, *, images: slice = EVERY) -> "Cached":
        """These samples, on the device.

        index : (N,) on the CPU
        images : which of them this process needs to see; labels and maps come of all
        """
        here = index.to(device, non_blocking=True)
        return Cached(
            self._pixels(index[images], here[images]), self.labels[here], self.human[here], self.present[here]
        )

    def _pixels(self, index: Tensor, here: Tensor) -> Tensor:
        """Images on the device of `here`; from elsewhere they come through memory that a GPU reads itself."""
        if self.images.device == here.device:
            return self.images[here]
        shape = (len(index), *self.images.shape[1:])
        staged = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        torch.index_select(self.images, 0, index, out=staged)
        return staged.to(here.device, non_blocking=True)

    def near(self, device: torch.device) -> "Cached":
        """Itself on the GPU; images that do not fit there stay where they are."""
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        fits = self.images.nbytes <= ON_DEVICE_SHARE * free
        images = self.images.to(device) if fits else self.images
        labels, human, present = (part.to(device) for part in (self.labels, self.human, self.present))
        return Cached(images, labels, human, present)

    def copy(self) -> "Cached":
        """The same samples in memory of their own."""
        images, labels, human, present = (part.clone() for part in self._parts)
        return Cached(images, labels, human, present)

    def fill(self, other: "Cached") -> None:
        """Become a copy of as many other samples, in place."""
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine.copy_(theirs, non_blocking=True)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.images, self.labels, self.human, self.present


@dataclass(frozen=True, slots=True)
class Keep:
    """Where decoded images are kept while they are not on a GPU.

    folder : of the files, when they go to disk
    """

    where: Where = "memory"
    folder: Path | None = None


def load(
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    expects: Input,
    map_size: tuple[int, int],
    workers: int | None = None,
    guidance: Guidance | None = None,
    keep: Keep | None = None,
) -> Cached:
    """Decode these samples, or map them from disk where that was done before.

    expects : images are brought to its side, whatever their shape was, as it says
    map_size : of the CAM; maps are brought to it once, here, from the size at which they are stored
    """
    images = on_disk(dataset, samples, expects=expects, workers=workers, keep=keep or Keep())
    if images is None:
        images = np.empty((len(samples), 3, expects.side, expects.side), np.uint8)
        for i, image in enumerate(_decoded(dataset.root, samples, expects, workers)):
            images[i] = image
    human = load_maps(dataset, samples, map_size, guidance)
    labels = torch.tensor([sample.target for sample in samples], dtype=torch.int64)
    present = ~human.isnan().any(dim=-1).any(dim=-1)
    return Cached(torch.from_numpy(images), labels, human, present)


def on_disk(
    dataset: Dataset,
    samples: Sequence[Sample],
    *,
    expects: Input,
    workers: int | None,
    keep: Keep,
    of: int | None = None,
) -> Bytes | None:
    """The decoded images, (N, 3, side, side), as pages of a file; None where they are not kept in one.

    of : images of the whole set, if this is a part of it: there must be room for all
    """
    if keep.folder is None or keep.where == "memory":
        return None
    shape = (len(samples), 3, expects.side, expects.side)
    key = key_of(dataset.id, expects.side, expects.resize, [sample.image_id for sample in samples])
    whole = math.prod(shape[1:]) * (of or len(samples))
    if not holds(keep.folder, key, shape) and not goes_to_disk(keep.where, keep.folder, whole):
        return None

    def fill(images: Bytes) -> Iterator[None]:
        for i, image in enumerate(_decoded(dataset.root, samples, expects, workers)):
            images[i] = image
            yield

    return kept(keep.folder, key, shape, fill)


def _decoded(root: Path, samples: Sequence[Sample], expects: Input, workers: int | None) -> Iterator[Bytes]:
    with ThreadPoolExecutor(_threads(workers)) as pool:
        yield from pool.map(lambda sample: decode_image(root / sample.path, expects), samples)


def _threads(workers: int | None) -> int:
    return workers or os.cpu_count() or 1


def decode_image(path: Path, expects: Input) -> Bytes:
    """An image file of any shape -> (3, side, side) RGB."""
    return np.ascontiguousarray(resized(pixels_of(path), expects.side, expects.resize).transpose(2, 0, 1))


def stream(
    root: Path, samples: Sequence[Sample], *, expects: Input, batch_size: int, workers: int | None = None
) -> Iterator[tuple[Sequence[Sample], Tensor]]:
    """Batches of a set too large to keep: the next batch is decoded while the caller works on this one."""
    with ThreadPoolExecutor(_threads(workers)) as pool:
        waiting = None
        for chunk in _chunks(samples, batch_size):
            ahead = pool.map(lambda sample: decode_image(root / sample.path, expects), chunk)
            if waiting is not None:
                yield waiting[0], torch.from_numpy(np.stack(list(waiting[1])))
            waiting = (chunk, ahead)
        if waiting is not None:
            yield waiting[0], torch.from_numpy(np.stack(list(waiting[1])))


def slices(
    samples: Sequence[Sample], images: Bytes, *, batch_size: int
) -> Iterator[tuple[Sequence[Sample], Tensor]]:
    """Batches of images that are decoded already."""
    for begin in range(0, len(samples), batch_size):
        part = slice(begin, begin + batch_size)
        yield samples[part], torch.from_numpy(images[part])


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
    kept = torch.tensor([is_kept(sample, rate=rate, seed=seed) for sample in samples], dtype=torch.bool)
    return replace(cached, present=cached.present & kept)


def is_kept(sample: Sample, *, rate: float, seed: int) -> bool:
    """Whether the map of an image is among the fraction that is used."""
    return stream_seed(seed, "keep", sample.image_id) / 2**63 < rate


def limited(samples: Sequence[Sample], limit: int | None) -> Sequence[Sample]:
    """The first so many samples of each split, as many real as fake ones where there are enough."""
    if limit is None:
        return samples
    taken: Counter[tuple[str, str]] = Counter()
    kept = []
    for sample in samples:
        kind = (sample.split, sample.label)
        if taken[kind] < (limit + (sample.label == "real")) // 2:
            taken[kind] += 1
            kept.append(sample)
    return tuple(kept)


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A generator of its own for each purpose, so that no draw depends on how many came before it."""
    return torch.Generator().manual_seed(stream_seed(seed, *purpose))


def stream_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed from the run's seed and what it is for."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _chunks(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    rest = iter(samples)
    while chunk := list(islice(rest, size)):
        yield chunk
