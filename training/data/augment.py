"""Augment training images: blur, JPEG compression, mirroring, drawn anew in each epoch.

The draws for an image depend only on seed, epoch and the image's position in the training set, not on its
batch, so that a resumed run, or one on several devices, trains on the same pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from training.config import Augmentation

TRUNCATE = 4.0
"""Radius of the Gaussian in standard deviations, as in SciPy."""


@dataclass(frozen=True, slots=True)
class AugmentationDraws:
    """The augmentation of each image of a set in one epoch; all on the CPU."""

    sigma: Tensor  # (N,) px; 0 = no blur
    quality: Tensor  # (N,) int64; 0 = no JPEG compression
    mirrored: Tensor  # (N,) bool
    again: Tensor | None = None
    """(N, k) int64: the qualities of further compressions, 0 = none; None where there is one at most."""

    def of(self, index: Tensor) -> "AugmentationDraws":
        """The draws of some of the images."""
        again = None if self.again is None else self.again[index]
        return AugmentationDraws(self.sigma[index], self.quality[index], self.mirrored[index], again)


def draw(settings: Augmentation, n: int, generator: torch.Generator) -> AugmentationDraws:
    """Draw the augmentation of n images from a generator on the CPU."""
    # Every number is drawn for every image, so that no setting shifts the draws of another.
    blur, sigma, jpeg, quality, flip = torch.rand(5, n, generator=generator, dtype=torch.float64)
    low, high = settings.jpeg_quality
    qualities = torch.where(jpeg < settings.jpeg, low + (quality * (high - low + 1)).long(), 0)
    return AugmentationDraws(
        sigma=torch.where(blur < settings.blur, sigma * settings.blur_sigma, 0.0),
        quality=qualities,
        mirrored=flip < settings.flip,
        again=_further_qualities(settings, qualities, generator) if settings.jpeg_most > 1 else None,
    )


def _further_qualities(settings: Augmentation, first: Tensor, generator: torch.Generator) -> Tensor:
    """(N, jpeg_most - 1) qualities of compressions after the first; how many there are is drawn evenly."""
    low, high = settings.jpeg_quality
    count, *drawn = torch.rand(settings.jpeg_most, len(first), generator=generator, dtype=torch.float64)
    further = (count * settings.jpeg_most).long()
    qualities = [low + (one * (high - low + 1)).long() for one in drawn]
    kept = [(first > 0) & (further > place) for place in range(len(qualities))]
    return torch.stack([torch.where(use, one, 0) for use, one in zip(kept, qualities, strict=True)], dim=1)


def augment(images: Tensor, draws: AugmentationDraws) -> Tensor:
    """Blur, compress and mirror images (N, 3, H, W) uint8 on any device; returns the same shape and type.

    draws : of these N images
    Blur and mirroring run on the images' device for the whole batch, JPEG on the CPU.
    """
    images = blur(images, draws.sigma)
    images = compress(images, draws.quality)
    for quality in () if draws.again is None else draws.again.T:
        images = compress(images, quality)
    return mirror(images, draws.mirrored)


def mirror(maps: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror some images (N, 3, H, W) or maps (N, H, W) left to right.

    mirrored : (N,) bool
    """
    chosen = mirrored.to(maps.device).view(-1, *[1] * (maps.ndim - 1))
    return torch.where(chosen, maps.flip(-1), maps) if mirrored.any() else maps


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each image (N, 3, H, W) uint8 with its own standard deviation, rounded to uint8.

    Equal to `scipy.ndimage.gaussian_filter(mode="reflect", truncate=4)` per channel.

    sigma : (N,) px; 0 leaves an image as it is
    """
    chosen = sigma.nonzero().squeeze(1)
    if not len(chosen):
        return images
    kernels = _kernels(sigma[chosen]).to(images.device)
    where = chosen.to(images.device)
    blurred = _along(_along(images[where].float(), kernels), kernels)  # transposed twice, so along both axes
    result = images.clone()
    result[where] = blurred.round().clamp(0, 255).to(torch.uint8)
    return result


def blur_outside(images: Tensor, human: Tensor, present: Tensor, *, sigma: float) -> Tensor:
    """human · image + (1 - human) · blurred image for each image (N, 3, H, W) uint8, rounded to uint8.

    After Boyd, Bowyer and Czajka (WACV 2022), who blur what people did not find salient. The blur is that of
    `blur`.

    human : (N, H, W) in [0, 1] on the images' device: 1 leaves a pixel as it is
    present : (N,) bool; an image without a map stays as it is, whatever `human` holds
    sigma : standard deviation in px, above 0
    """
    kernels = _kernels(torch.full((len(images),), sigma)).to(images.device)
    sharp = images.float()
    share = torch.where(present[:, None, None], human, 1.0)[:, None]
    mixed = share * sharp + (1 - share) * _along(_along(sharp, kernels), kernels)
    return mixed.round().clamp(0, 255).to(torch.uint8)


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """JPEG compression (OpenCV's) of each image (N, 3, H, W) uint8 with its own quality.

    quality : (N,) int64, 1 … 100; 0 leaves an image as it is
    """
    chosen = quality.nonzero().squeeze(1)
    if not len(chosen):
        return images
    pixels = images[chosen.to(images.device)].permute(0, 2, 3, 1).cpu().numpy()
    coded = np.stack([_jpeg(image, int(q)) for image, q in zip(pixels, quality[chosen], strict=True)])
    result = images.clone()
    result[chosen.to(images.device)] = torch.from_numpy(coded).permute(0, 3, 1, 2).to(images.device)
    return result


def _jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """(H, W, 3) RGB -> the same after compression."""
    bgr = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR_RGB))


def _kernels(sigma: Tensor) -> Tensor:
    """Gaussian weights (n, 2 r + 1) of n standard deviations, rows with sum 1; r = the largest radius."""
    reach = (TRUNCATE * sigma + 0.5).floor()
    # Smaller kernels are padded with zeros to the largest, so that all images fit one tensor.
    steps = torch.arange(-int(reach.max()), int(reach.max()) + 1)
    weights = torch.exp(-0.5 * (steps / sigma[:, None]) ** 2) * (steps.abs() <= reach[:, None])
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def _along(images: Tensor, kernels: Tensor) -> Tensor:
    """Convolve the rows of each image (n, 3, H, W) with its own kernel (n, k), and swap rows and columns."""
    n, channels, height, width = images.shape
    reach = kernels.shape[1] // 2
    rows = images[..., _mirrored_index(width, reach).to(images.device)]
    # One group for each image and channel, so that one convolution applies a different kernel to each.
    rows = rows.reshape(1, n * channels, height, width + 2 * reach)
    weights = kernels.repeat_interleave(channels, dim=0).view(n * channels, 1, 1, -1)
    return conv2d(rows, weights, groups=n * channels).view(n, channels, height, width).transpose(2, 3)


def _mirrored_index(size: int, reach: int) -> Tensor:
    """Indices of the pixels -reach … size+reach-1 of a row that is mirrored at its edges (c b a|a b c)."""
    # Mirrored at both edges, a row repeats after twice its length.
    index = torch.arange(-reach, size + reach) % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)
