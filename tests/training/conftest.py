import os

import cv2
import numpy as np
import pytest

from training.data.dataset import DatasetWriter

# One thread, here and in the child processes: networks this small only wait for each other on more.
os.environ["OMP_NUM_THREADS"] = "1"

SIDE = 40


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


def picture(label, seed, side=SIDE):
    """A noisy grey square; a fake one has a bright blob in its upper left quarter."""
    noise = np.random.default_rng(seed).integers(60, 120, (side, side, 3), dtype=np.uint8)
    if label == "fake":
        noise[side // 8 : side // 3, side // 8 : side // 3] += 120
    return png(noise)


def saliency(side=SIDE):
    """A map that points at the upper left quarter."""
    values = np.zeros((side, side), np.uint16)
    values[side // 8 : side // 3, side // 8 : side // 3] = 65535
    return png(values)


def fill(writer, *, train=16, val=8, test=8, extra=0, side=SIDE, with_map=True):
    """Balanced images per split; each training image but the first has a map; two fake sources in test."""
    for split, total in {"train": train, "val": val, "test": test, "extra": extra}.items():
        for i in range(total):
            label = ("real", "fake")[i % 2]
            source = "camera" if label == "real" else ("ganA", "ganB")[(i // 2) % 2]
            has_map = with_map and split == "train" and i > 0
            writer.add(
                image_id=f"{split}{i:03d}",
                image=picture(label, seed=hash_of(split, i), side=side),
                label=label,
                source=source,
                split=split,
                map=saliency(side) if has_map else None,
                annotators=3 if has_map else 0,
            )


def hash_of(split, i):
    return {"train": 0, "val": 1, "test": 2, "extra": 3}[split] * 1000 + i


@pytest.fixture
def make_dataset(tmp_path):
    def make(name="data", **options):
        with DatasetWriter(tmp_path / name, study="s", map_set="m", parameters={"sigma": 5}) as writer:
            fill(writer, **options)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A small dataset that no test changes."""
    root = tmp_path_factory.mktemp("dataset") / "data"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer)
    return root


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
