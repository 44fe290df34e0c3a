"""Pictures of what a detector looked at, for people."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from saliency.files.spreadsheets import cell
from training.config import CamTensor
from training.data.loading import Cached
from training.evaluation.evaluate import Looks, Scores
from training.files import write_bytes, write_text

SIDE = 224
"""Side of a picture in pixels."""
EXAMPLES = 8
"""Pictures of single images, half of them real where there are as many."""
SAMPLED = 128
"""Images whose maps are kept as numbers, to be compared between runs."""

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
)


def write_gallery(folder: Path, scores: Scores, looks: Looks, *, split: str, cam_tensor: CamTensor) -> None:
    """Average maps of the real, the fake and all images; maps of a few as pictures, of more as numbers.

    index.csv says which images the pictures are of, and of what tensor the maps are made.
    """
    for name, keep in {"all": None, "real": ~scores.fake, "fake": scores.fake}.items():
        chosen = looks.cams if keep is None else looks.cams[keep]
        if len(chosen):
            write_bytes(folder / f"average_{name}.png", picture(chosen.mean(axis=0)))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(INDEX_COLUMNS)
    for i in _examples(scores):
        sample = scores.samples[i]
        file = f"{sample.image_id}.png"
        write_bytes(folder / file, picture(looks.cams[i]))
        score = float(expit(scores.logits[i, 1]))
        row = [file, *map(cell, (sample.image_id, sample.path, sample.label, sample.source, split))]
        writer.writerow([*row, f"{score:.6f}", f"{looks.entropies[i]:.4f}", cam_tensor])
    write_text(folder / "index.csv", text.getvalue())
    _write_sample(folder / "sample.npz", scores, looks)


def _write_sample(path: Path, scores: Scores, looks: Looks) -> None:
    """image_ids (n,) and cams (n, h, w) of images spread over the split: the same ones for every run."""
    count = len(scores.samples)
    chosen = np.unique(np.linspace(0, count - 1, min(count, SAMPLED)).astype(int))
    ids = np.array([scores.samples[i].image_id for i in chosen], np.str_)
    content = io.BytesIO()
    np.savez(content, image_ids=ids, cams=looks.cams[chosen].astype(np.float16))
    write_bytes(path, content.getvalue())


def write_average_human(folder: Path, train: Cached) -> None:
    """The average human map of the training images, at the size of the CAM; no file when there is none."""
    if train.present.any():
        mean = train.human[train.present].mean(dim=0).cpu().numpy()
        write_bytes(folder / "average_human.png", picture(mean))


def picture(saliency: NDArray[np.float32]) -> bytes:
    """A map (h, w) in [0, 1] as a greyscale PNG of 224×224 pixels, smoothly enlarged."""
    return bytes(cv2.imencode(".png", enlarged(saliency))[1])


def enlarged(saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The same as bytes, (224, 224)."""
    large = cv2.resize(saliency.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large * 255 + 0.5, 0, 255), np.uint8)


def _examples(scores: Scores) -> list[int]:
    """The first of each class, in the order of the dataset: not chosen by how well they look."""
    real, fake = np.flatnonzero(~scores.fake), np.flatnonzero(scores.fake)
    return sorted([*real[: EXAMPLES // 2].tolist(), *fake[: EXAMPLES // 2].tolist()])
