"""Speed of the saliency builder, beside the plain way of doing the same.

    python benchmarks/saliency_speed.py [--rounds 15] [--maps 1821] [--jobs 2]

One process and one thread for the ratios; both ways take turns on the same strokes, medians count. The plain
way: OpenCV polylines per annotation, float64 mean, scipy's Gaussian, min-max. Its masks are approximate;
ours are checked pixel by pixel against the definition, and our blur against scipy's on the same masks.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from saliency import MapParameters, Stroke, build_image_map, encode_map_png, rasterize
from saliency.annotations import Annotation, ImageAnnotations
from saliency.blur import blur
from saliency.maps import counted_inks
from saliency.merging import sum_masks
from saliency.scaling import scale_map

PARAMETERS = MapParameters()
SPREADS = {"on the eyes": 0.12, "on the face": 0.3, "all over": 0.6}


def hand_strokes(rng: np.random.Generator, *, size: int, spread: float) -> tuple[Stroke, ...]:
    """Three to five wandering strokes of 60 points, as a person paints them."""
    strokes = []
    for _ in range(rng.integers(3, 6)):
        centre = size * (0.5 + spread * rng.uniform(-0.8, 0.8, 2))
        turns = np.cumsum(rng.normal(0, 0.35, 60))
        steps = size * 0.006 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        path = centre + np.cumsum(steps, axis=0)
        radius = size * rng.choice([10, 15, 20, 25]) / 512
        times = np.arange(60.0)[:, None] * 16
        strokes.append(Stroke("brush", float(radius), np.hstack([path, times])))
    return tuple(strokes)


def hand_image(seed: int, *, size: int, annotators: int, spread: float) -> ImageAnnotations:
    rng = np.random.default_rng(seed)
    drawn = [hand_strokes(rng, size=size, spread=spread) for _ in range(annotators)]
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
    counts = sum_masks(
        [ink for _, ink in counted_inks(item, PARAMETERS)], width=item.width, height=item.height
    )
    blurred = blur(counts, sigma_px=PARAMETERS.sigma_px)
    return scale_map(blurred, out=blurred)


def medians(ways: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """Milliseconds of this thread; the ways take turns, so that a busy moment hits all of them."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds + 1):
        for taken, way in zip(times, ways, strict=True):
            start = time.thread_time()
            way()
            taken.append(1e3 * (time.thread_time() - start))
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
    counts = sum_masks(
        [ink for _, ink in counted_inks(item, PARAMETERS)], width=item.width, height=item.height
    )
    mean = counts / len(item.annotations)
    ours = blur(counts, sigma_px=5) / len(item.annotations)
    return float(np.abs(ours - gaussian_filter(mean, 5, mode="reflect", truncate=4)).max())


def report_one_map(*, size: int, rounds: int) -> None:
    for name, spread in SPREADS.items():
        item = hand_image(1, size=size, annotators=6, spread=spread)
        ways = (
            partial(plain_map, item),
            partial(exact_map, item),
            partial(build_image_map, item, PARAMETERS),
        )
        plain, ours, numbers = medians(ways, rounds=rounds)
        values = exact_map(item)
        encode = medians([partial(encode_map_png, values)], rounds=rounds)[0]
        inked = np.mean(
            np.any([rasterize(a.strokes, width=size, height=size) for a in item.annotations], axis=0)
        )
        print(
            f"{size}x{size}, 6 annotations {name:12} ({inked:4.0%} inked): plain {plain:6.1f} ms, "
            f"ours {ours:5.1f} ms = {plain / ours:4.1f}x; with entropy and agreement {numbers:5.1f} ms "
            f"= {plain / numbers:4.1f}x; PNG {encode:4.1f} ms"
        )


def report_exactness() -> None:
    item = hand_image(1, size=512, annotators=6, spread=0.3)
    print(f"wrong pixels in 6 masks of 512x512: {wrong_pixels(item)}; blur differs by {blur_error(item):.1e}")


def annotation_lines(images: int, per_image: float) -> Iterator[str]:
    for i in range(images):
        count = int((i + 1) * per_image) - int(i * per_image)
        item = hand_image(i, size=512, annotators=count, spread=0.3)
        for annotation in item.annotations:
            strokes = [stroke.to_json() for stroke in annotation.strokes]
            record = {"annotation_id": annotation.annotation_id, "image_id": item.image_id, "correct": True}
            yield json.dumps(record | {"width": 512, "height": 512, "strokes": strokes}) + "\n"


def report_many(*, images: int, jobs: int) -> None:
    """Time and peak memory of the command itself, reading, building and writing, for two sizes of study."""
    for count in (images // 8, images):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "annotations.jsonl"
            with source.open("w") as file:
                file.writelines(annotation_lines(count, 10_750 / 1_821))
            command = [
                sys.executable,
                "-m",
                "saliency",
                "build",
                str(source),
                f"{folder}/out",
                "--jobs",
                str(jobs),
            ]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            taken = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{count} maps of 512x512, {jobs} processes: {taken:5.1f} s; largest process {peak:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--maps", type=int, default=1_821)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    report_exactness()
    for size in (512, 1024):
        report_one_map(size=size, rounds=options.rounds)
    report_many(images=options.maps, jobs=options.jobs)


if __name__ == "__main__":
    main()
