"""Single images, from anywhere, before a trained run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from training import data
from training.cam import class_activation_map, min_max
from training.errors import DatasetError
from training.folder import RunFolder, write_bytes
from training.gallery import picture
from training.metrics import sigmoid
from training.run import open_run


def score_images(run: Path, images: Sequence[Path], *, cams: Path | None, device: str) -> Iterator[str]:
    """One CSV row per image: path, logit_real, logit_fake, score_sigmoid, score_softmax.

    cams : folder that gets the map of the predicted class of each image, as `<stem>.png`
    """
    for path in images:
        if not path.is_file():
            raise DatasetError(f"The image {path} does not exist.")
    _, backbone = open_run(RunFolder(run), device=device)
    for path in images:
        pixels = torch.from_numpy(data.decode_image(path, backbone.expects.side))[None]
        with torch.inference_mode():
            batch = data.normalise(pixels.to(backbone.weight.device), backbone.expects)
            features, logits = backbone(batch)
            cam = min_max(class_activation_map(features, backbone.weight, logits.argmax(dim=1)))
        real, fake = logits[0].double().tolist()
        if cams is not None:
            write_bytes(cams / f"{path.stem}.png", picture(cam[0].cpu().numpy()))
        yield f"{path},{real:.9g},{fake:.9g},{sigmoid(fake):.6f},{sigmoid(fake - real):.6f}"
