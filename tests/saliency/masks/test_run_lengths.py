"""Run lengths are those of COCO's own code, bit for bit."""

import numpy as np
import pytest
from pycocotools import mask as coco

from saliency.masks.rasterizing import Ink, rasterize_ink
from saliency.masks.run_lengths import encode_counts, run_lengths
from saliency.masks.strokes import parse_strokes

FUZZED = 1_000

# pycocotools 2.0.11 answers NumPy 2 with an array class of before.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def told(ink: Ink, width: int, height: int) -> dict:
    counts = encode_counts(run_lengths(ink, width=width, height=height))
    return {"size": [height, width], "counts": counts}


def whole(ink: Ink, width: int, height: int) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[ink.box.slices] = ink.mask
    return mask


def drawing(rng: np.random.Generator, width: int, height: int) -> list[dict]:
    """Up to four strokes of any tool, here and there beyond the border."""
    strokes = []
    for tool in rng.choice(["brush", "lasso", "eraser"], size=rng.integers(0, 5)):
        corners = rng.uniform(-0.1, 1.1, (rng.integers(3, 12), 2)) * (width, height)
        points = [[float(x), float(y), float(t)] for t, (x, y) in enumerate(corners)]
        strokes.append({"tool": str(tool), "radius": float(rng.uniform(0.5, 12)), "points": points})
    return strokes


class TestRunLengths:
    def test_a_thousand_drawings_come_back_from_coco_as_they_were(self):
        rng = np.random.default_rng(2026)
        for _ in range(FUZZED):
            width, height = (int(side) for side in rng.integers(1, 90, 2))
            strokes = parse_strokes(drawing(rng, width, height), width=width, height=height)
            ink = rasterize_ink(strokes, width=width, height=height)
            mask, rle = whole(ink, width, height), told(ink, width, height)
            assert np.array_equal(coco.decode(rle), mask)
            assert coco.encode(np.asfortranarray(mask))["counts"] == rle["counts"].encode()

    @pytest.mark.parametrize("value", [0, 1])
    def test_an_image_of_one_value_is_told(self, value):
        mask = np.full((600, 500), value, dtype=np.uint8)
        rle = told(Ink.of(mask), 500, 600)
        assert rle["counts"] == coco.encode(np.asfortranarray(mask))["counts"].decode()

    def test_the_largest_image_is_told(self):
        mask = np.zeros((4096, 4096), dtype=np.uint8)
        mask[17, 4000] = 1
        assert np.array_equal(coco.decode(told(Ink.of(mask), 4096, 4096)), mask)

    def test_lengths_take_turns_and_sum_to_the_image(self):
        mask = np.array([[1, 1, 0], [1, 0, 1]], dtype=np.uint8)
        assert run_lengths(Ink.of(mask), width=3, height=2).tolist() == [0, 3, 2, 1]
