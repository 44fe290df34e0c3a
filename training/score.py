"""Score single image files with a trained run."""

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from saliency.files.spreadsheets import cell
from training.config import CamTensor, ModelMap
from training.data import loading
from training.errors import DatasetError
from training.evaluation.gallery import enlarged, picture
from training.files import write_bytes
from training.model.cam import entropy
from training.reporting.style import in_colour
from training.run import open_run
from training.run_folder import RunFolder

HEADER: Final = "path,logit_real,logit_fake,score_sigmoid,score_softmax"


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Logits, scores and class activation map of one image."""

    path: Path
    logit_real: float
    logit_fake: float
    cam: NDArray[np.float32]
    """(h, w) in [0, 1], of the predicted class."""
    entropy: float
    """Entropy of the map in nats."""
    cam_tensor: CamTensor
    """Tensor that a class activation map is made of."""
    model_map: ModelMap
    """What `cam` is."""
    input_image: NDArray[np.uint8]
    """(side, side, 3) RGB: the image as the network takes it."""

    @property
    def score_sigmoid(self) -> float:
        return float(expit(self.logit_fake))

    @property
    def score_softmax(self) -> float:
        return float(expit(self.logit_fake - self.logit_real))

    def as_csv(self) -> str:
        numbers = f"{self.logit_real:.9g},{self.logit_fake:.9g}"
        return f"{_quoted(cell(str(self.path)))},{numbers},{self.score_sigmoid:.6f},{self.score_softmax:.6f}"

    def as_json(self) -> dict[str, Any]:
        """All numbers, and image and map, in colours and in grey, as base64 of PNG."""
        png = bytes(cv2.imencode(".png", cv2.cvtColor(self.input_image, cv2.COLOR_RGB2BGR))[1])
        return {
            "logit_real": self.logit_real,
            "logit_fake": self.logit_fake,
            "score_sigmoid": self.score_sigmoid,
            "score_softmax": self.score_softmax,
            "entropy": self.entropy,
            "cam_tensor": self.cam_tensor,
            "map": self.model_map,
            "side": self.input_image.shape[0],
            "seen": base64.b64encode(png).decode(),
            "cam": base64.b64encode(in_colour(enlarged(self.cam))).decode(),
            "cam_grey": base64.b64encode(picture(self.cam)).decode(),
        }


def score_images(
    run: Path, images: Sequence[Path], *, cams: Path | None, device: str
) -> Iterator[ImageScore]:
    """Score each image with a run, in the order given.

    cams : folder for the map of the predicted class of each image, as `<stem>.png`; None writes none
    `DatasetError`: an image is missing or cannot be read, or two maps would have one name
    """
    _require_images(images, distinct=cams is not None)
    _, backbone = open_run(RunFolder(run), device=device)
    for path in images:
        pixels = torch.from_numpy(loading.decode_image(path, backbone.network_input))[None]
        with torch.inference_mode():
            batch = backbone.normalise(pixels.to(backbone.weight.device))
            features, logits = backbone(batch)
            cam = backbone.explain("predicted", features, logits, logits.argmax(dim=1))
        real, fake = logits[0].double().tolist()
        input_image = np.ascontiguousarray(pixels[0].numpy().transpose(1, 2, 0))
        cam_array = cam[0].cpu().numpy()
        shown = (backbone.cam_tensor, backbone.model_map)
        image_score = ImageScore(path, real, fake, cam_array, float(entropy(cam)[0]), *shown, input_image)
        if cams is not None:
            write_bytes(cams / f"{path.stem}.png", picture(image_score.cam))
        yield image_score


def _require_images(images: Sequence[Path], *, distinct: bool) -> None:
    for path in images:
        if not path.is_file():
            raise DatasetError(f"The image {path} does not exist.")
    stem, count = Counter(path.stem for path in images).most_common(1)[0]
    if distinct and count > 1:
        raise DatasetError(f"{count} images are called {stem}; their maps would be one file.")


def _quoted(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(mark in text for mark in ',"\n') else text
