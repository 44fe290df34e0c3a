"""By how much the mean of a class activation map, plus the bias, misses the logit that it explains.

python benchmarks/cam_linearity.py [--architectures NAME …]

Random weights, with the classifier scaled until the largest logit is about 10, as those of trained networks
are; the error is the largest of four random images, in float32 and in float64.
"""

import argparse
from typing import Any, Final

import torch

from training.errors import ModelError
from training.model.backbones import Backbone, build
from training.model.cam import class_activation_map

NETWORKS: Final[dict[str, dict[str, Any]]] = {
    "densenet121": {},
    "resnet50": {},
    "legacy_xception": {},
    "convnext_tiny": {},
    "swin_tiny_patch4_window7_224": {},
    "swinv2_tiny_window8_256": {},
    "davit_tiny": {},
    "mixer_s32_224": {},
    "vit_small_patch16_dinov3": {},
    "vit_small_patch14_reg4_dinov2": {"pooling": "mean", "image_size": 224},
    "vit_base_patch16_clip_224": {"pooling": "mean"},
    "vit_base_patch16_siglip_gap_224": {},
    "vit_base_patch16_siglip_224": {"pooling": "mean"},
    "vit_pe_core_tiny_patch16_384": {"pooling": "mean"},
    "deit3_small_patch16_224": {"pooling": "mean"},
    "beit_base_patch16_224": {},
    "eva02_tiny_patch14_224": {},
}
LOGITS: Final = 10.0


@torch.no_grad()
def largest_error(backbone: Backbone, images: torch.Tensor) -> tuple[float, str]:
    """Largest |mean(CAM) + b - logit| over the images, for the predicted class; and the size of the map."""
    features, logits = backbone(images)
    target = logits.argmax(1)
    cam = class_activation_map(features, backbone.weight, target)
    explained = cam.mean((1, 2)) + backbone.head.bias[target]
    error = (explained - logits.gather(1, target[:, None])[:, 0]).abs().max()
    return float(error), f"{features.shape[2]}×{features.shape[3]}"


@torch.no_grad()
def scale_head(backbone: Backbone, images: torch.Tensor) -> None:
    """Scale the classifier until the largest logit is `LOGITS`."""
    factor = LOGITS / float(backbone(images)[1].abs().max())
    for parameter in backbone.head.parameters():
        parameter.mul_(factor)


def main() -> None:
    """Print one line per network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--architectures", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    print(f"{'architecture':34} {'pooling':8} {'map':>8} {'float32':>9} {'float64':>9}")
    for name in parser.parse_args().architectures:
        torch.manual_seed(0)
        try:
            backbone = build(name, **NETWORKS[name]).eval()
        except ModelError as error:
            print(error)
            continue
        side = backbone.network_input.side
        images = backbone.normalise(torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8))
        scale_head(backbone, images)
        single, size = largest_error(backbone, images)
        double, _ = largest_error(backbone.double(), images.double())
        pooling = NETWORKS[name].get("pooling", "own")
        print(f"{name:34} {pooling:8} {size:>8} {single:9.1e} {double:9.1e}", flush=True)


if __name__ == "__main__":
    main()
