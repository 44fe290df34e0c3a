"""Features of a frozen trunk: computed once per image, and shared by all epochs, seeds and objectives."""

import hashlib
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import RunConfig
from training.data import loading
from training.data.cache import Where, cache_key, goes_to_disk, is_cached, new_array, open_array
from training.data.dataset import DatasetFolder, Sample
from training.data.loading import CacheSettings
from training.engine.device import CPU_BATCH, memory_format
from training.events import HeartbeatEvent
from training.model.backbones import Backbone

REPORT_EVERY_S: Final = 1.0


class FrozenHead(nn.Module):
    """What is trained behind a frozen trunk: features (N, C, h, w) -> the same, and logits (N, 2)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features, self.backbone.classify(features)


def pooled(features: Tensor) -> Tensor:
    """Features (N, C, h, w) -> their means (N, C, 1, 1), which give the same logits and need less memory."""
    parts = torch.split(features, CPU_BATCH)  # those of a large split are mapped from the disk
    return torch.cat([part.mean(dim=(-2, -1), keepdim=True) for part in parts])


@dataclass(frozen=True)
class FrozenTrunk:
    """Computes the features (N, C, h, w) of images in float32, or reads them where they are on disk.

    batch_size : images per forward pass
    workers : threads that decode; None is one per core
    cache : where features are kept; without a folder they are computed at every call
    """

    backbone: Backbone
    batch_size: int = CPU_BATCH
    workers: int | None = None
    cache: CacheSettings = field(default_factory=CacheSettings)

    @classmethod
    def of(
        cls, run: RunConfig, backbone: Backbone, *, batch_size: int, cache: CacheSettings
    ) -> "FrozenTrunk | None":
        """The frozen trunk of a run; None if it has none."""
        return cls(backbone, batch_size, run.workers, cache) if run.has_frozen_trunk else None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights of the trunk, by name."""
        digest = hashlib.sha256()
        head = {id(parameter) for parameter in self.backbone.head.parameters()}
        for name, value in self.backbone.net.state_dict(keep_vars=True).items():
            if id(value) not in head:
                digest.update(name.encode() + b"\0" + value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def load(
        self, dataset: DatasetFolder, samples: Sequence[Sample], *, what: str, mirrored: bool = False
    ) -> Generator[HeartbeatEvent, None, Tensor]:
        """The features of a split in one tensor, mapped from the disk if they are kept there.

        what : name of the work in heartbeats
        mirrored : of the images mirrored left to right
        """
        done, reported, parts = 0, time.monotonic(), []
        is_kept = self._is_kept(samples)
        for chunk, features in self.batches(dataset, samples, mirrored=mirrored):
            if not is_kept:
                parts.append(features)
            done += len(chunk)
            if time.monotonic() - reported >= REPORT_EVERY_S:
                reported = time.monotonic()
                yield HeartbeatEvent(doing=what, done=done, total=len(samples))
        if is_kept and self.cache.folder is not None:
            key = self._key(dataset, samples, mirrored=mirrored)
            return torch.from_numpy(open_array(self.cache.folder, key))
        return torch.cat(parts)

    def batches(
        self, dataset: DatasetFolder, samples: Sequence[Sample], *, mirrored: bool = False
    ) -> Generator[tuple[Sequence[Sample], Tensor], None, None]:
        """Samples and their features on the CPU, batch by batch; what had to be computed is kept on disk."""
        key, shape = self._key(dataset, samples, mirrored=mirrored), self._shape(samples)
        folder = self.cache.folder
        if folder is not None and is_cached(folder, key, shape):
            yield from loading.cached_batches(samples, open_array(folder, key), batch_size=self.batch_size)
            return
        with self._new_array(key, samples) as array:
            done = 0
            for chunk, pixels in self._images(dataset, samples):
                features = self._compute(pixels.flip(-1) if mirrored else pixels)
                if array is not None:
                    array[done : done + len(chunk)] = features.numpy()
                done += len(chunk)
                yield chunk, features

    def _images(
        self, dataset: DatasetFolder, samples: Sequence[Sample]
    ) -> Iterator[tuple[Sequence[Sample], Tensor]]:
        return loading.decoded_batches(
            dataset.root,
            samples,
            network_input=self.backbone.network_input,
            batch_size=self.batch_size,
            workers=self.workers,
        )

    @torch.inference_mode()
    def _compute(self, pixels: Tensor) -> Tensor:
        device = self.backbone.weight.device
        images = self.backbone.normalise(pixels.to(device)).to(memory_format=memory_format(device))
        features, _ = self.backbone.eval().forward(images)
        return features.float().contiguous().cpu()

    def _shape(self, samples: Sequence[Sample]) -> tuple[int, ...]:
        return (len(samples), self.backbone.weight.shape[1], *self._map_size)

    @cached_property
    def _map_size(self) -> tuple[int, int]:
        return self.backbone.map_size()

    def _key(self, dataset: DatasetFolder, samples: Sequence[Sample], *, mirrored: bool) -> str:
        network_input = self.backbone.network_input.as_record()
        # By the images alone: a dataset that is frozen again with other maps has the same features.
        images = [dataset.digests[sample.path] for sample in samples]
        return cache_key("features", self.digest, network_input, mirrored, images)

    def _is_kept(self, samples: Sequence[Sample]) -> bool:
        # However few they are: computing them takes longer than reading them.
        where: Where = "memory" if self.cache.where == "memory" else "disk"
        return goes_to_disk(where, self.cache.folder, 4 * int(np.prod(self._shape(samples))))

    def _new_array(self, key: str, samples: Sequence[Sample]) -> AbstractContextManager[NDArray[Any] | None]:
        if self.cache.folder is None or not self._is_kept(samples):
            return nullcontext()
        return new_array(self.cache.folder, key, self._shape(samples), np.dtype(np.float32))
