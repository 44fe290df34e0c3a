"""Speed of one saliency map, beside the plain way of doing the same.

    python benchmarks/saliency_speed.py [--rounds 15] [--annotations ANNOTATIONS.jsonl]

One process and one thread, CPU time; both ways take turns on the same strokes, medians count. The plain way:
OpenCV polylines per annotation, float64 mean, scipy's Gaussian, min-max; no way writes a PNG. The plain masks
are approximate; ours are checked pixel by pixel against the definition, and our blur against scipy's on the
same masks.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy reads it once, when it is loaded

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from saliency import MapParameters, Stroke, build_image_map, encode_map_png, rasterize, read_annotations
from saliency.maps.annotations import Annotation, ImageAnnotations
from saliency.maps.blur import blur
from saliency.maps.merging import sum_masks
from saliency.maps.scaling import scale_map
from saliency.masks.rasterizing import rasterize_inks

PARAMETERS = MapParameters()
FROM_ABOVE = 10  # images of an annotations file that are timed


@dataclass(frozen=True)
class Hand:
    """How somebody paints: how many strokes, radii on an image of 512 px, how far from the middle."""

    strokes: tuple[int, int]
    radii: tuple[float, ...]
    spread: float


HANDS = {
    "on the eyes": Hand((3, 5), (10, 15, 20, 25), 0.12),
    "on the face": Hand((3, 5), (10, 15, 20, 25), 0.3),
    "all over": Hand((3, 5), (10, 15, 20, 25), 0.6),
    "dense and thick": Hand((9, 12), (20, 25, 30), 0.5),
    "thin scribbles": Hand((12, 16), (2, 3, 4), 0.4),
}


def hand_strokes(rng: np.random.Generator, *, size: int, hand: Hand) -> tuple[Stroke, ...]:
    """Wandering strokes of 60 points, as a person paints them."""
    strokes = []
    for _ in range(rng.integers(hand.strokes[0], hand.strokes[1] + 1)):
        centre = size * (0.5 + hand.spread * rng.uniform(-0.8, 0.8, 2))
        turns = np.cumsum(rng.normal(0, 0.35, 60))
        steps = size * 0.006 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        path = centre + np.cumsum(steps, axis=0)
        radius = size * rng.choice(hand.radii) / 512
        times = np.arange(60.0)[:, None] * 16
        strokes.append(Stroke("brush", float(radius), np.hstack([path, times])))
    return tuple(strokes)


def hand_image(seed: int, *, size: int, annotators: int, hand: Hand) -> ImageAnnotations:
    rng = np.random.default_rng(seed)
    drawn = [hand_strokes(rng, size=size, hand=hand) for _ in range(annotators)]
    annotations = [Annotation(f"{seed}-{i}", correct=True, strokes=one) for i, one in enumerate(drawn)]
    return ImageAnnotations(f"image-{seed}", size, size, tuple(annotations))


def plain_map(item: ImageAnnotations) -> NDArray[np.float64]:
    masks = []
    for annotation in item.annotations:
        canvas = np.zeros((item.height, item.width), np.uint8)
        for stroke in annotation.strokes:
            points = np.rint(stroke.points[:, :2]).astype(np.int32)
            cv2.polylines(canvas, [points], isClosed=False, color=1, thickness=round(2 * stroke.radius))
        masks.append(canvas)
    blurred = gaussian_filter(np.mean(masks, axis=0, dtype=np.float64), 5, mode="reflect", truncate=4)
    lowest, highest = blurred.min(), blurred.max()
    return np.asarray((blurred - lowest) / (highest - lowest))


def exact_map(item: ImageAnnotations) -> NDArray[np.float32]:
    blurred = blur(summed(item), sigma_px=PARAMETERS.sigma_px)
    return scale_map(blurred, out=blurred)


def summed(item: ImageAnnotations) -> NDArray[np.uint8] | NDArray[np.uint16]:
    inks = rasterize_inks([one.strokes for one in item.annotations], width=item.width, height=item.height)
    return sum_masks(inks, width=item.width, height=item.height)


def medians(ways: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """CPU milliseconds of this process; the ways take turns, so that a busy moment hits all of them."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds + 1):
        for taken, way in zip(times, ways, strict=True):
            start = time.process_time()
            way()
            taken.append(1e3 * (time.process_time() - start))
    return [statistics.median(taken[1:]) for taken in times]


def wrong_pixels(item: ImageAnnotations) -> int:
    """Pixels that differ from the definition: centre within radius of the polyline."""
    y, x = np.mgrid[: item.height, : item.width] + 0.5
    wrong = 0
    for annotation in item.annotations:
        expected = np.zeros(x.shape, bool)
        for stroke in annotation.strokes:
            for start, end in zip(stroke.points[:-1, :2], stroke.points[1:, :2], strict=True):
                run = end - start
                t = np.clip(((x - start[0]) * run[0] + (y - start[1]) * run[1]) / (run @ run), 0, 1)
                expected |= np.hypot(x - start[0] - t * run[0], y - start[1] - t * run[1]) <= stroke.radius
        wrong += int((rasterize(annotation.strokes, width=item.width, height=item.height) != expected).sum())
    return wrong


def blur_error(item: ImageAnnotations) -> float:
    mean = summed(item) / len(item.annotations)
    ours = blur(summed(item), sigma_px=5) / len(item.annotations)
    return float(np.abs(ours - gaussian_filter(mean, 5, mode="reflect", truncate=4)).max())


def report(name: str, item: ImageAnnotations, *, rounds: int) -> float:
    """Print one line; return how many times faster the bare map is."""
    ways = (partial(plain_map, item), partial(exact_map, item), partial(build_image_map, item, PARAMETERS))
    plain, ours, numbers = medians(ways, rounds=rounds)
    inked = np.count_nonzero(summed(item)) / (item.width * item.height)
    print(
        f"{item.width}x{item.height}, {len(item.annotations)} annotations, {name:15} ({inked:4.0%} inked): "
        f"plain {plain:6.1f} ms, ours {ours:5.1f} ms = {plain / ours:4.1f}x; "
        f"with entropy and agreement {numbers:5.1f} ms = {plain / numbers:4.1f}x"
    )
    return plain / ours


def report_steps(item: ImageAnnotations, *, rounds: int) -> None:
    """Print where the time goes."""
    counts = summed(item)
    blurred = blur(counts, sigma_px=PARAMETERS.sigma_px)
    ways = (
        partial(summed, item),
        partial(blur, counts, sigma_px=PARAMETERS.sigma_px),
        partial(scale_map, blurred),
        partial(encode_map_png, scale_map(blurred)),
    )
    masks, blurring, scaling, encoding = medians(ways, rounds=rounds)
    print(
        f"steps: masks and their sum {masks:.1f} ms, blur {blurring:.1f} ms, scaling {scaling:.1f} ms; "
        f"PNG (not part of a map) {encoding:.1f} ms"
    )


def report_exactness() -> None:
    for name in ("on the face", "dense and thick"):
        item = hand_image(1, size=512, annotators=3, hand=HANDS[name])
        print(
            f"{name}: {wrong_pixels(item)} wrong pixels in 3 masks of 512x512; "
            f"blur differs by {blur_error(item):.1e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--annotations", type=Path, help="an annotations.jsonl to time as well")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    report_exactness()
    for size in (512, 1024):
        for name, hand in HANDS.items():
            report(name, hand_image(1, size=size, annotators=6, hand=hand), rounds=options.rounds)
    report_steps(hand_image(1, size=1024, annotators=6, hand=HANDS["dense and thick"]), rounds=options.rounds)
    if options.annotations:
        items = [item for item in read_annotations(options.annotations) if len(item.annotations) > 1]
        ratios = [report(item.image_id, item, rounds=options.rounds) for item in items[:FROM_ABOVE]]
        print(f"median of these images: {statistics.median(ratios):.1f}x")


if __name__ == "__main__":
    main()
