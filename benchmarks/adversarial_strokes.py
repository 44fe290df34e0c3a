"""What the most expensive strokes cost that a decision may bring, and what is refused.

    python benchmarks/adversarial_strokes.py [--rounds 7]

For each kind of attack the script finds the largest that the server accepts, and measures what the server
does with that request but for the database and the network: reading the JSON, checking the strokes, what they
paint, the study's rule, a region check, and writing the JSON again for the request's hash and the database.
CPU time of one process and one thread, medians. Then the same for an attack of four times the size, which is
refused. One line before and after says what sorting a million numbers takes, to compare machines and busy
moments.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy reads it once, when it is loaded

import numpy as np
from numpy.typing import NDArray

from app.errors import BadInput, BadStrokes
from app.studies.choice import MAX_REGION_WORK
from app.trials.decisions import body_hash
from app.trials.paintings import check_rule, read_painting, region_iou
from app.trials.schemas import AnnotationRule, DecisionBody
from saliency.masks.strokes import MAX_POINTS, MAX_RADIUS_PX, MAX_STROKES, MIN_RADIUS_PX
from saliency.masks.work import work

Points = NDArray[np.float64]
Strokes = list[dict[str, Any]]
Size = tuple[int, int]

SMALL, USUAL, HUGE, LONG = (256, 256), (1024, 1024), (7071, 7071), (16_384, 3051)  # up to 50 million pixels
RULE = AnnotationRule(min_strokes=1, min_area=0.0, max_area=1.0)
TARGET_MS = 100
WIDEST = 16_384.0  # px that a pointer may leave the image by


@dataclass(frozen=True)
class Attack:
    """Strokes of a size `n`, on an image."""

    tool: str
    name: str
    size: Size
    strokes: Callable[[np.random.Generator, int, Size], Strokes]


def stroke(tool: str, points: Points, radius: float = 0.0) -> dict[str, Any]:
    """Coordinates with all their digits: a longer body than a page sends."""
    return {"tool": tool, "radius": radius, "points": [[x, y, 0.0] for x, y in points.tolist()]}


def between(rng: np.random.Generator, n: int, size: Size) -> Points:
    return np.asarray(rng.uniform(0, 1, (n, 2)) * size)


def zigzag(rng: np.random.Generator, n: int, size: Size) -> Points:
    """From the top to the bottom and back: all edges cross."""
    return np.stack([rng.uniform(0, size[0], n), size[1] * (np.arange(n) % 2.0)], axis=1)


def comb(rng: np.random.Generator, n: int, size: Size) -> Points:
    """From the left to the right and back, in other rows each time."""
    return np.stack([size[0] * (np.arange(n) % 2.0), rng.uniform(0, size[1], n)], axis=1)


def star(_rng: np.random.Generator, n: int, size: Size) -> Points:
    turns = 2 * np.pi * np.arange(2 * n + 1) * n / (2 * n + 1)
    return np.asarray(np.stack([np.cos(turns), np.sin(turns)], axis=1) * size / 2 + np.array(size) / 2)


def spiral(_rng: np.random.Generator, n: int, size: Size) -> Points:
    turns = 2 * np.pi * np.linspace(0, n / 16, n)
    return np.asarray(
        np.linspace(0.05, 0.5, n)[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1) * size
        + np.array(size) / 2
    )


def pencil(rng: np.random.Generator, n: int, size: Size) -> Points:
    """All edges go through the middle, where everything ties."""
    ends = rng.integers(0, size[0] // 4, n)
    left = np.stack([ends, ends % (size[1] // 2)], axis=1)
    return np.where((np.arange(n) % 2 == 0)[:, None], left, np.array(size) - left).astype(np.float64)


def lattice(rng: np.random.Generator, n: int, size: Size) -> Points:
    """Few different corners: edges on top of one another, crossings in the same places."""
    return np.asarray(rng.integers(0, 9, (n, 2)) * (np.array(size) // 9) + 0.5, dtype=np.float64)


def far_out(rng: np.random.Generator, n: int, size: Size) -> Points:
    """From far left to far right of the image."""
    far = np.where(np.arange(n) % 2 == 0, -WIDEST, size[0] + WIDEST)
    return np.stack([far, rng.uniform(0, size[1], n)], axis=1)


def one(tool: str, shape: Callable[..., Points], radius: float = 0.0) -> Callable[..., Strokes]:
    return lambda rng, n, size: [stroke(tool, shape(rng, n, size), radius)]


def many(tools: str, shape: Callable[..., Points], radius: float, points: int) -> Callable[..., Strokes]:
    """`n` strokes of some points, the tools in turn."""
    names = tools.split()

    def strokes(rng: np.random.Generator, n: int, size: Size) -> Strokes:
        return [stroke(names[i % len(names)], shape(rng, points, size), radius) for i in range(n)]

    return strokes


def crowded(rng: np.random.Generator, n: int, size: Size) -> Points:
    """Anywhere in a small place."""
    return np.asarray(rng.uniform(0.45, 0.5, (n, 2)) * size)


def both_limits(tool: str) -> Callable[..., Strokes]:
    """All points that are allowed, most of them in one place, the rest with as much work as is left."""

    def strokes(rng: np.random.Generator, n: int, size: Size) -> Strokes:
        resting = np.tile(np.array(size) / 2.0, (MAX_POINTS - n, 1)) + rng.uniform(
            0, 0.01, (MAX_POINTS - n, 2)
        )
        shape = zigzag if tool == "lasso" else comb
        return [stroke("brush", resting, MIN_RADIUS_PX), stroke(tool, shape(rng, n, size), MIN_RADIUS_PX)]

    return strokes


THIN, WIDE = MIN_RADIUS_PX, MAX_RADIUS_PX
ATTACKS = [
    *(Attack("lasso", "zigzag", size, one("lasso", zigzag)) for size in (SMALL, USUAL, LONG)),
    *(Attack("lasso", "comb", size, one("lasso", comb)) for size in (SMALL, USUAL, HUGE)),
    Attack("lasso", "random chords", USUAL, one("lasso", between)),
    Attack("lasso", "star", USUAL, one("lasso", star)),
    Attack("lasso", "spiral", HUGE, one("lasso", spiral)),
    Attack("lasso", "through one point", SMALL, one("lasso", pencil)),
    Attack("lasso", "lattice", USUAL, one("lasso", lattice)),
    Attack("lasso", "from far outside", USUAL, one("lasso", far_out)),
    Attack("lasso", "many triangles", USUAL, many("lasso", between, 0.0, 3)),
    *(Attack("lasso", "points and work", size, both_limits("lasso")) for size in (USUAL, LONG)),
    Attack("brush", "random chords", USUAL, one("brush", between, THIN)),
    Attack("brush", "random chords, wide", USUAL, one("brush", between, WIDE)),
    *(Attack("brush", "comb", size, one("brush", comb, THIN)) for size in (SMALL, USUAL, LONG)),
    Attack("brush", "star, wide", HUGE, one("brush", star, WIDE)),
    Attack("brush", "spiral", HUGE, one("brush", spiral, THIN)),
    Attack("brush", "dense dabs, one stroke", USUAL, one("brush", crowded, 2.0)),
    Attack("brush", "dabs", USUAL, many("brush", between, 20.0, 1)),
    Attack("brush", "wide dabs", HUGE, many("brush", between, WIDE, 1)),
    *(Attack("brush", "points and work", size, both_limits("brush")) for size in (USUAL, LONG)),
    Attack("eraser", "with the brush in turn, wide dabs", USUAL, many("brush eraser", crowded, WIDE, 1)),
    Attack("eraser", "with the brush in turn, wide dabs", HUGE, many("brush eraser", crowded, WIDE, 1)),
    Attack("eraser", "with the brush in turn, dabs", USUAL, many("brush eraser", crowded, 40.0, 1)),
    *(
        Attack("eraser", "with the brush in turn, lines", size, many("brush eraser", comb, THIN, 2))
        for size in (USUAL, LONG)
    ),
    Attack("eraser", "with the brush in turn, combs", USUAL, many("brush eraser", comb, THIN, 10)),
    Attack("eraser", "with the lasso in turn", USUAL, many("lasso eraser", zigzag, THIN, 20)),
    Attack("eraser", "all three in turn", USUAL, many("brush lasso eraser", between, THIN, 6)),
]


def strokes_of(attack: Attack, n: int) -> Strokes:
    return attack.strokes(np.random.default_rng(n), n, attack.size)


def is_accepted(attack: Attack, n: int) -> bool:
    try:
        read_painting(strokes_of(attack, n), attack.size)
    except BadStrokes:
        return False
    return True


def largest(attack: Attack) -> int:
    """The largest size that is accepted; more is always more work."""
    low, high = 1, MAX_POINTS
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if is_accepted(attack, middle) else (low, middle - 1)
    return low


def region_of(size: Size, *, share: float = 1.0) -> list[list[float]]:
    """A region to paint, with as many corners as a study may give it and as large as that may be."""
    turns = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    reach = 0.3 + 0.05 * np.sin(40 * turns)
    corners: list[list[float]] = (
        (0.5 + share * reach[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)) * size
    ).tolist()
    is_accepted = work([], [np.array(corners)], width=size[0]) <= MAX_REGION_WORK
    return corners if is_accepted else region_of(size, share=0.9 * share)


def serve(body: bytes, size: Size, region: list[list[float]]) -> str:
    """All that is done with a decision but for the database; how it ends."""
    try:
        decision = DecisionBody.model_validate(json.loads(body))
        painting = read_painting(decision.strokes, size)
        check_rule(RULE, painting)
        region_iou(painting, region)
    except BadStrokes:
        return "bad_strokes"
    except BadInput as error:
        return error.code()
    body_hash(decision)
    return "accepted"


def cpu_ms(body: bytes, size: Size, *, rounds: int) -> tuple[float, str]:
    region = region_of(size)
    times, verdict = [], ""
    for _ in range(rounds):
        start = time.process_time_ns()
        verdict = serve(body, size, region)
        times.append((time.process_time_ns() - start) / 1e6)
    return statistics.median(times), verdict


def body_of(strokes: Strokes) -> bytes:
    return json.dumps({"choice": "left", "decision_ms": 1.0, "strokes": strokes}).encode()


def report(attack: Attack, *, rounds: int) -> float:
    n = largest(attack)
    strokes = strokes_of(attack, n)
    body, more = body_of(strokes), body_of(strokes_of(attack, 4 * n))
    taken, verdict = cpu_ms(body, attack.size, rounds=rounds)
    refused, reason = cpu_ms(more, attack.size, rounds=1)
    points = sum(len(each["points"]) for each in strokes)
    print(
        f"{attack.tool:7} {attack.name:34} {attack.size[0]:5}×{attack.size[1]:<5} {len(strokes):5} strokes "
        f"{points:6} points {len(body) / 1e3:4.0f} kB: {verdict} {taken:5.1f} ms; "
        f"four times as much: {reason} {refused:5.1f} ms",
        flush=True,
    )
    return taken


def reference_ms() -> float:
    numbers = np.random.default_rng(0).integers(0, 2**60, 1_000_000)
    times = []
    for _ in range(9):
        start = time.process_time_ns()
        np.sort(numbers)
        times.append((time.process_time_ns() - start) / 1e6)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(
        f"at most {MAX_STROKES} strokes and {MAX_POINTS} points; sorting a million: {reference_ms():.1f} ms"
    )
    worst: dict[str, float] = {}
    for attack in ATTACKS:
        worst[attack.tool] = max(worst.get(attack.tool, 0.0), report(attack, rounds=rounds))
    print(f"sorting a million: {reference_ms():.1f} ms")
    for tool, taken in worst.items():
        print(f"worst accepted request with the {tool:7}: {taken:6.1f} ms of {TARGET_MS}")


if __name__ == "__main__":
    main()
