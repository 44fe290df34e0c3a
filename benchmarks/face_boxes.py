"""Faces found in a manifest's pictures: how many have one, how they are framed, and what it takes.

    python benchmarks/face_boxes.py [MANIFEST.csv]

Without a manifest, faces drawn by code. A picture framed as FFHQ's has its middle at .5, .5 and a side of 1.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from app.demo.faces import draw_faces
from app.stimuli.manifest import read_manifest
from saliency.images.alignment import ffhq_frame
from saliency.images.decoder import decode
from saliency.images.faces import FaceFinder


def main(manifest: Path) -> None:
    cv2.setNumThreads(1)
    finder, counts, frames, times = FaceFinder(), defaultdict(list), defaultdict(list), []
    for item in read_manifest(manifest):
        picture = np.asarray(decode(item.path))
        start = time.process_time()
        faces = finder.find(picture)
        times.append(1000 * (time.process_time() - start))
        counts[item.source].append(len(faces))
        if faces:
            frame, (height, width) = ffhq_frame(faces[0].landmarks), picture.shape[:2]
            turn = np.degrees(np.arctan2(frame.half[1], frame.half[0]))
            middle = frame.centre[0] / width, frame.centre[1] / height
            frames[item.source].append((frame.side / min(width, height), *middle, turn))
    print(f"{'source':20} {'none':>5} {'one':>5} {'more':>5}   side  across  down  turn (median ± sd)")
    for source, found in counts.items():
        none, one = found.count(0), found.count(1)
        parts = np.array(frames[source]).reshape(-1, 4)
        shown = (f"{np.median(part):.2f} ± {part.std():.2f}" for part in parts.T) if len(parts) else ()
        print(f"{source:20} {none:5} {one:5} {len(found) - none - one:5}   {'  '.join(shown)}°")
    print(f"{np.median(times):.0f} ms of CPU per picture (median of {len(times)}), one thread")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            main(draw_faces(Path(folder), count=48, seed=0))
