"""Write the class activation maps of a split as pictures: averages, and those of a few images."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from saliency.files.spreadsheets import cell
from training.config import CamTensor, ModelMap
from training.data.loading import SampleTensors
from training.evaluation.evaluator import SplitLogits, SplitMaps
from training.files import write_bytes, write_text

SIDE = 224
"""Side of a picture in pixels."""
EXAMPLES = 8
"""Pictures of single images, half of them real where there are as many."""
SAMPLED = 128
"""Images whose maps are stored as numbers, to be compared between runs."""

INDEX_COLUMNS = (
    "file",
    "image_id",
    "path",
    "label",
    "source",
    "split",
    "score_sigmoid",
    "cam_entropy",
    "cam_tensor",
    "map",
)


def write_gallery(
    folder: Path, scores: SplitLogits, maps: SplitMaps, *, split: str, shown: tuple[ModelMap, CamTensor]
) -> None:
    """Write average maps of real, fake and all images; single maps as pictures; more of them as numbers.

    shown : what the maps are, and the tensor that a class activation map is made of; both are in index.csv
    """
    for name, subset in {"all": None, "real": ~scores.fake, "fake": scores.fake}.items():
        chosen = maps.cams if subset is None else maps.cams[subset]
        if len(chosen):
            write_bytes(folder / f"average_{name}.png", picture(chosen.mean(axis=0)))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(INDEX_COLUMNS)
    for i in _examples(scores):
        sample = scores.samples[i]
        file = f"{sample.image_id}.png"
        write_bytes(folder / file, picture(maps.cams[i]))
        score = float(expit(scores.logits[i, 1]))
        row = [file, *map(cell, (sample.image_id, sample.path, sample.label, sample.source, split))]
        writer.writerow([*row, f"{score:.6f}", f"{maps.entropies[i]:.4f}", *reversed(shown)])
    write_text(folder / "index.csv", text.getvalue())
    _write_sample(folder / "sample.npz", scores, maps)


def _write_sample(path: Path, scores: SplitLogits, maps: SplitMaps) -> None:
    """image_ids (n,) and cams (n, h, w) of images spread over the split: the same ones for every run."""
    count = len(scores.samples)
    chosen = np.unique(np.linspace(0, count - 1, min(count, SAMPLED)).astype(int))
    ids = np.array([scores.samples[i].image_id for i in chosen], np.str_)
    content = io.BytesIO()
    np.savez(content, image_ids=ids, cams=maps.cams[chosen].astype(np.float16))
    write_bytes(path, content.getvalue())


def write_average_human(folder: Path, train: SampleTensors) -> None:
    """The average human map of the training images, at the size of the CAM; no file when there is none."""
    if train.present.any():
        mean = train.human[train.present].mean(dim=0).cpu().numpy()
        write_bytes(folder / "average_human.png", picture(mean))


def picture(saliency: NDArray[np.float32]) -> bytes:
    """A map (h, w) in [0, 1] as a greyscale PNG of 224×224 pixels, smoothly enlarged."""
    return bytes(cv2.imencode(".png", enlarged(saliency))[1])


def enlarged(saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The same as an array, (224, 224) uint8."""
    large = cv2.resize(saliency.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large * 255 + 0.5, 0, 255), np.uint8)


def _examples(scores: SplitLogits) -> list[int]:
    """Positions of the first images of each class, in the order of the dataset, not picked by hand."""
    real, fake = np.flatnonzero(~scores.fake), np.flatnonzero(scores.fake)
    return sorted([*real[: EXAMPLES // 2].tolist(), *fake[: EXAMPLES // 2].tolist()])
