"""How often the evidence of a program is found: in people's drawings, and in simulated programs.

python benchmarks/human_hand.py STROKES.zip [--half report] [--visits 400] [--seed 1]

STROKES.zip holds drawings that people made in a browser, one text file each, named
ALPHABET_characterNN_NNNN_DRAWER.txt: lines `x,y,t` between START and BREAK, y downwards as negative numbers,
t in ms. Omniglot (github.com/brendenlake/omniglot, MIT licence) has such files, from workers of MTurk;
nothing of it comes with this project.

A visit of a person is all drawings of one drawer in one alphabet, put on a face of 512 px and thinned as the
page does it. The drawers are cut into two halves once, by SPLIT_SEED: `--half limits` is the half on which
the limits in `app/quality/evidence.py` were set, `--half report` the other one, which nobody looked at before
and which the documentation reports. Their canvas had 105 px; "smoothed" are the same drawings with the steps
of its pixels taken out.

Programs, and visits by keyboard and with a screen reader, are simulated: they do what tests/e2e/test_input.py
sees such a visit do in Chromium, with chance added. None of them says that a program works the browser
(`navigator.webdriver` is hidden); one that says so is always flagged.
"""

import argparse
import random
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from accuracy.statistics.proportions import Proportion
from app.quality.evidence import is_enough, measures
from app.quality.visit_record import JudgedTrial, StrokePath, VisitRecord

SPLIT_SEED: Final = 20261129
CANVAS: Final = 105.0  # of the drawings, px
WIDTH: Final = 512  # of a face, px
TOLERANCE: Final = 0.4  # px, as in annotation_ui/static/core/stroke.js
TRIALS: Final = 10  # of a simulated visit
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
NAME: Final = re.compile(r"(?:.*/)?(.+)_character\d+_\d+_(\d+)\.txt")

Points = NDArray[np.float64]
Input = Mapping[str, Mapping[str, float]]


def thin(points: Points) -> Points:
    """As the page thins a finished stroke: what is left out lies within the tolerance of what stays."""
    keep = np.zeros(len(points), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        away = _distances(points[first + 1 : last, :2], points[first, :2], points[last, :2])
        if away.max() > TOLERANCE:
            middle = first + 1 + int(away.argmax())
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    kept: Points = points[keep]
    is_new = np.any(np.diff(kept[:, :2], axis=0) != 0, axis=1)
    distinct: Points = kept[np.concatenate([[True], is_new])]
    return distinct


def _distances(points: Points, a: Points, b: Points) -> Points:
    """From the segment a-b."""
    chord = b - a
    length = float(chord @ chord)
    along = np.clip((points - a) @ chord / length, 0, 1) if length else np.zeros(len(points))
    return np.asarray(np.hypot(*(points - a - along[:, None] * chord).T))


def stroke(places: Points, times: Points) -> StrokePath:
    """As the page sends it: 0.1 px and 1 ms, thinned."""
    return StrokePath(thin(np.column_stack([np.round(places, 1), np.round(times)])))


def visit(trials: Sequence[tuple[Sequence[StrokePath], Input]]) -> VisitRecord:
    judgements = tuple(
        JudgedTrial(
            trial_id=UUID(int=number),
            is_check=False,
            chose_left=True,
            correct=True,
            decision_ms=1500.0,
            annotation_ms=9000.0,
            width=WIDTH,
            strokes=tuple(strokes),
            input=given,
        )
        for number, (strokes, given) in enumerate(trials)
    )
    return VisitRecord(judgements, NOW, NOW, is_program=False)


def people(path: Path, half: str, *, smoothed: bool) -> list[VisitRecord]:
    """One visit for each drawer and alphabet of a half."""
    drawings: dict[tuple[str, str], list[list[StrokePath]]] = defaultdict(list)
    chosen = drawers(half)
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            match = NAME.fullmatch(name)
            if match and match[2] in chosen:
                drawings[match[1], match[2]].append(
                    list(drawing(archive.read(name).decode(), smoothed=smoothed))
                )
    # Taken for mice, which the rules look at most closely; the way between the strokes was not recorded.
    return [
        visit([(strokes, used(presses=len(strokes))) for strokes in of_one]) for of_one in drawings.values()
    ]


def drawers(half: str) -> set[str]:
    """Ten of the twenty numbers, so that somebody who drew several alphabets is in one half."""
    numbers = [f"{number:02d}" for number in range(1, 21)]
    random.Random(SPLIT_SEED).shuffle(numbers)
    return set(numbers[:10] if half == "limits" else numbers[10:])


def drawing(text: str, *, smoothed: bool) -> Iterator[StrokePath]:
    for part in text.replace("START", "").split("BREAK"):
        points = np.array([[float(value) for value in line.split(",")] for line in part.split()])
        if len(points):
            scale = WIDTH / CANVAS
            places = points[:, :2] * (scale, -scale)
            yield stroke(gaussian_filter1d(places, 1.0, axis=0) if smoothed else places, points[:, 2])


def used(*, presses: float, moves: float = 0, path: float = 0, straight: float = 0) -> Input:
    return {"mouse": {"presses": presses, "moves": moves, "path": path, "straight": straight}}


def scripted(rng: np.random.Generator) -> VisitRecord:
    """Makes pointer events in the page, all at once or at the ticks of a timer."""
    trials = []
    for _ in range(TRIALS):
        count = int(rng.integers(12, 40))
        places = zigzag(rng, count)
        times = 2000 + np.arange(count) * rng.choice([0.0, 1.0, 16.0])
        events = {"presses": 1.0, "moves": count - 1.0, "clicks": 2.0, "keys": 0.0}
        trials.append(([stroke(places, times)], {"scripted": events}))
    return visit(trials)


def obedient(rng: np.random.Generator) -> VisitRecord:
    """Strokes and mouse like a hand's, but it presses by script what the markup tells it to: two traps."""
    work = humanised(rng)
    trapped = {int(at) for at in rng.choice(TRIALS, 2, replace=False)}
    event: Input = {"trap": {"shown": 1.0, "presses": 1.0}}
    return replace(
        work,
        judgements=tuple(
            replace(one, input={**one.input, **event}) if at in trapped else one
            for at, one in enumerate(work.judgements)
        ),
    )


def straight_lines(rng: np.random.Generator) -> VisitRecord:
    """Sees a screenshot, jumps to a place, and drags in a straight line; every action waits for the model."""
    return visit([(list(_lines(rng, corners=2)), jumps(rng, 5)) for _ in range(TRIALS)])


def corners(rng: np.random.Generator) -> VisitRecord:
    """The same, but each stroke goes through a few places in even steps."""
    return visit([(list(_lines(rng, corners=5)), jumps(rng, 5)) for _ in range(TRIALS)])


def rounds(rng: np.random.Generator) -> VisitRecord:
    """The same, but each stroke goes round in even steps."""
    return visit([(list(_ellipses(rng)), jumps(rng, 5)) for _ in range(TRIALS)])


def _ellipses(rng: np.random.Generator) -> Iterator[StrokePath]:
    now = 2500.0
    for _ in range(3):
        angles = np.linspace(0, 2 * np.pi, int(rng.integers(20, 60)))
        far = rng.uniform(40, 90, 2)
        places = rng.uniform(120, 390, 2) + far * np.column_stack([np.cos(angles), np.sin(angles)])
        times = now + np.cumsum(rng.normal(16, 2, len(angles)).clip(4))
        yield stroke(places, times)
        now = times[-1] + rng.lognormal(7, 0.6)


def _lines(rng: np.random.Generator, *, corners: int) -> Iterator[StrokePath]:
    now = 2500.0
    for _ in range(3):
        ends = rng.uniform(60, 450, (corners, 2))
        steps = int(rng.integers(8, 25))
        places = np.concatenate([np.linspace(a, b, steps) for a, b in pairwise(ends)])
        times = now + np.cumsum(rng.normal(16, 2, len(places)).clip(4))
        yield stroke(places, times)
        now = times[-1] + rng.lognormal(7, 0.6)


def jumps(rng: np.random.Generator, presses: int) -> Input:
    straight = float(rng.uniform(150, 400, presses).sum())
    return used(presses=presses, moves=presses, path=straight + 1, straight=straight)


def humanised(rng: np.random.Generator) -> VisitRecord:
    """Bent strokes with the speed of a reaching hand and a tremor, and a mouse that is led like one."""
    trials = []
    for _ in range(TRIALS):
        straight = float(rng.uniform(150, 400, 5).sum())
        way = straight * rng.uniform(1.05, 1.3)
        mouse = used(presses=5, moves=straight / 12, path=way, straight=straight)
        trials.append((list(_reaches(rng)), mouse))
    return visit(trials)


def humanised_strokes_alone(rng: np.random.Generator) -> VisitRecord:
    """The same strokes, but between them the mouse jumps."""
    return visit([(list(_reaches(rng)), jumps(rng, 5)) for _ in range(TRIALS)])


def _reaches(rng: np.random.Generator) -> Iterator[StrokePath]:
    """Strokes of least jerk (Flash and Hogan 1985) along a bent path, with a tremor that dies away."""
    now = 2500.0
    for _ in range(3):
        a, bend, b = rng.uniform(60, 450, (3, 2))
        duration = rng.lognormal(6.6, 0.4)
        tau = np.linspace(0, 1, max(8, int(duration / 16)))
        part = (10 * tau**3 - 15 * tau**4 + 6 * tau**5)[:, None]
        path = (1 - part) ** 2 * a + 2 * part * (1 - part) * bend + part**2 * b
        tremor = np.cumsum(rng.normal(0, 0.5, path.shape), axis=0)
        yield stroke(path + tremor - tremor.mean(axis=0), now + tau * duration)
        now += duration + rng.lognormal(6.8, 0.5)


def keyboard(rng: np.random.Generator) -> VisitRecord:
    """Arrow keys and Space; nothing is pointed at."""
    held = rng.uniform(50, 120)
    return visit([(list(_steps(rng)), keyed(rng, held)) for _ in range(TRIALS)])


def screen_reader(rng: np.random.Generator) -> VisitRecord:
    """The same, with keys that the reader sends on at once, and a mouse that it moves between controls."""
    return visit([(list(_steps(rng)), {**keyed(rng, 0.0), **jumps(rng, 3)}) for _ in range(TRIALS)])


def keyed(rng: np.random.Generator, held: float) -> Input:
    gap = rng.uniform(120, 300)
    rhythm = {"count": 30.0, "gap_ms": gap, "spread_ms": 0.4 * gap, "held_ms": held}
    return {"keys": rhythm}


def _steps(rng: np.random.Generator) -> Iterator[StrokePath]:
    now = 3000.0
    for _ in range(2):
        far = (WIDTH / 100) * rng.choice([1, 4])
        moves = rng.choice([(far, 0), (-far, 0), (0, far), (0, -far)], size=24)
        held = np.repeat(moves[::6], 6, axis=0)  # one direction for a while
        times = now + np.cumsum(rng.uniform(30, 250, len(held) + 1))
        yield stroke(np.vstack([[256.0, 256.0], 256 + np.cumsum(held, axis=0)]), times)
        now = times[-1] + rng.uniform(300, 1500)


def zigzag(rng: np.random.Generator, count: int) -> Points:
    x = np.linspace(rng.uniform(40, 120), rng.uniform(380, 470), count)
    return np.column_stack([x, 250 + rng.uniform(30, 120) * (np.arange(count) % 2)])


SIMULATED: Final[Mapping[str, Callable[[np.random.Generator], VisitRecord]]] = {
    "1 script in the page": scripted,
    "1 script that obeys the markup": obedient,
    "2 screenshots, straight strokes": straight_lines,
    "2 screenshots, strokes with corners": corners,
    "2 screenshots, round strokes": rounds,
    "3 humanised strokes, mouse jumps": humanised_strokes_alone,
    "3 humanised strokes and mouse": humanised,
    "keyboard alone": keyboard,
    "screen reader": screen_reader,
}


def flagged(visits: Sequence[VisitRecord]) -> Proportion:
    found = [[measure for measure in measures(one) if measure.is_met] for one in visits]
    return Proportion(sum(map(is_enough, found)), len(visits))


def with_a_clue(visits: Sequence[VisitRecord]) -> Proportion:
    """Those whose strokes alone give a clue: flagged if their mouse gave another one."""
    found = [
        any(measure.is_met and measure.about == "strokes" for measure in measures(one)) for one in visits
    ]
    return Proportion(sum(found), len(visits))


def row(name: str, share: Proportion) -> str:
    low, high = share.interval or (0.0, 1.0)
    return f"| {name} | {share.total} | {share.rate:.1%} | {low:.1%} to {high:.1%} |"


def extremes(visits: Sequence[VisitRecord]) -> Iterator[str]:
    """Of each measure of people's strokes: how near the most extreme visit comes to the limit."""
    by_name: dict[str, list[float]] = defaultdict(list)
    known = {}
    for one in visits:
        for measure in measures(one):
            if measure.about == "strokes" and measure.found is not None:
                by_name[measure.name].append(measure.found)
                known[measure.name] = measure
    for name, values in by_name.items():
        worst = max(values) if known[name].is_at_least else min(values)
        yield f"{name:<18} n={len(values):<4} nearest {worst:.3f}   limit {known[name].limit:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("strokes", type=Path, nargs="?", help="a ZIP of people's drawings")
    parser.add_argument("--half", choices=("limits", "report"), default="report")
    parser.add_argument("--visits", type=int, default=200, help="simulated, of each kind")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows = []
    if given.strokes and given.strokes.is_file():
        rows = list(of_people(given.strokes, given.half))
    else:
        print("Nobody's drawings: name a ZIP of them, for example of github.com/brendenlake/omniglot.")
    print("\n| visits | n | flagged | 95 % interval (Wilson) |\n|---|---|---|---|", *rows, sep="\n")
    for name, make in SIMULATED.items():
        rng = np.random.default_rng([given.seed, *name.encode()])
        print(row(f"{name} (simulated)", flagged([make(rng) for _ in range(given.visits)])))


def of_people(path: Path, half: str) -> Iterator[str]:
    """Rows of the table; what the rows are about is printed before it."""
    visits, smooth = (people(path, half, smoothed=smoothed) for smoothed in (False, True))
    drawn = sum(len(one.judgements) for one in visits)
    print(f"people: {len(visits)} visits, {drawn} drawings, the half “{half}”", *extremes(visits), sep="\n")
    yield row("people", flagged(visits))
    yield row("people, smoothed", flagged(smooth))
    yield row("people, if each one's mouse looked like a program's", with_a_clue(visits))
    yield row("people, smoothed, if each one's mouse did", with_a_clue(smooth))


if __name__ == "__main__":
    main()
