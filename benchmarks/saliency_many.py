"""Time and memory of building all maps of a study from an annotations file, reading and writing included.

    python benchmarks/saliency_many.py [--maps 1821] [--annotations 10750] [--jobs 2]

The strokes are drawn by code. Two sizes of study show whether memory grows with the number of images.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from saliency_speed import HANDS, hand_image  # type: ignore[import-not-found]  # beside this script


def annotation_lines(images: int, per_image: float) -> Iterator[str]:
    for i in range(images):
        count = int((i + 1) * per_image) - int(i * per_image)
        item = hand_image(i, size=512, annotators=count, hand=HANDS["on the face"])
        for annotation in item.annotations:
            strokes = [stroke.to_json() for stroke in annotation.strokes]
            record = {"annotation_id": annotation.annotation_id, "image_id": item.image_id, "correct": True}
            yield json.dumps(record | {"width": 512, "height": 512, "strokes": strokes}) + "\n"


def report(images: int, per_image: float, jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "annotations.jsonl"
        with source.open("w") as file:
            file.writelines(annotation_lines(images, per_image))
        command = [*(sys.executable, "-m", "saliency", "build"), str(source), f"{folder}/out"]
        start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "--jobs", str(jobs)], check=True, capture_output=True)
        taken, now = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        print(
            f"{images} maps of 512x512 from {round(images * per_image)} annotations, {jobs} processes: "
            f"{taken:5.1f} s, {cpu:5.1f} s of CPU; largest process {now.ru_maxrss / 1024:.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--maps", type=int, default=1_821)
    parser.add_argument("--annotations", type=int, default=10_750)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for images in (options.maps // 8, options.maps):
        report(images, options.annotations / options.maps, options.jobs)


if __name__ == "__main__":
    main()
