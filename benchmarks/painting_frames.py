"""Script time of a 5-second stroke on a 1024 × 1024 face, frame by frame, from the browser's own trace.

python benchmarks/painting_frames.py [--seconds 5] [--radius 40]

A real Chromium scribbles with the brush on the participant's page with 60 pointer moves a second, and then
draws round the face with the outline tool. Every task of the page's
main thread that ran script is taken from the trace (`devtools.timeline`: FunctionCall, EventDispatch,
FireAnimationFrame, RunMicrotasks, and V8's collections; the outermost one of those that nest) with the
processor time that the thread spent in it (`tdur`), so that other work on the machine counts little; a
frame's script time is the sum of those between two frames.
"""

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no installed package

from tests.support.lab import DESK, Lab
from tests.support.processes import chromium
from tests.support.visits import Mouse, Walk

SIDE: Final = 1024
SCRIPT: Final = {"FunctionCall", "EventDispatch", "FireAnimationFrame", "RunMicrotasks", "V8.GC"}
MOVES_PER_SECOND: Final = 60
FRAME_MS: Final = 1000 / 60


def scribble(part: float) -> tuple[float, float]:
    """Over the whole face; as fractions of it, like `circle`."""
    return 0.1 + 0.8 * part, 0.5 + 0.35 * math.sin(40 * part)


def circle(part: float) -> tuple[float, float]:
    """Round the face once, with a trembling hand."""
    angle, far = 2 * math.pi * part, 0.4 + 0.01 * math.sin(300 * part)
    return 0.5 + far * math.cos(angle), 0.5 + far * math.sin(angle)


PATHS: Final = {"brush": scribble, "lasso": circle}


def draw(page: Page, tool: str, *, seconds: float) -> None:
    """One stroke, lifted at the end."""
    box = page.locator(".face--chosen .face__frame").bounding_box()
    assert box is not None
    moves = round(seconds * MOVES_PER_SECOND)
    for move in range(moves):
        x, y = PATHS[tool](move / moves)
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if not move:
            page.mouse.down()
        page.wait_for_timeout(FRAME_MS)
    page.mouse.up()
    page.wait_for_timeout(200)


def traced(session: CDPSession, page: Page, tool: str, *, seconds: float) -> list[dict[str, Any]]:
    """The events of the page's main thread while somebody draws."""
    events: list[dict[str, Any]] = []
    session.on("Tracing.dataCollected", lambda chunk: events.extend(chunk["value"]))
    session.send(
        "Tracing.start", {"categories": "devtools.timeline,v8,disabled-by-default-v8.gc,blink.user_timing"}
    )
    page.evaluate("performance.mark('begin')")
    draw(page, tool, seconds=seconds)
    done = []
    session.on("Tracing.tracingComplete", lambda _: done.append(True))
    session.send("Tracing.end")
    while not done:
        page.wait_for_timeout(50)
    mark = next(event for event in events if event["name"] == "begin")
    return [event for event in events if (event["pid"], event["tid"]) == (mark["pid"], mark["tid"])]


def script_tasks(events: Sequence[dict[str, Any]]) -> Iterator[tuple[float, float]]:
    """Start and processor time in ms of each outermost piece of script, in the order of time."""
    until = -math.inf
    for event in sorted((event for event in events if event.get("ph") == "X"), key=lambda one: one["ts"]):
        if event["name"] not in SCRIPT or event["ts"] < until:
            continue
        until = event["ts"] + event["dur"]
        yield event["ts"] / 1000, event.get("tdur", event["dur"]) / 1000


def by_frame(tasks: Sequence[tuple[float, float]], starts: Sequence[float]) -> np.ndarray:
    """Script time in ms between the starts of two frames; empty without frames."""
    sums = np.zeros(len(starts) + 1)
    for start, spent in tasks:
        sums[np.searchsorted(starts, start, side="right")] += spent
    return sums


def report_frames(tool: str, events: Sequence[dict[str, Any]]) -> None:
    tasks = list(script_tasks(events))
    starts = sorted(event["ts"] / 1000 for event in events if event["name"] == "FireAnimationFrame")
    report(f"{tool}, a frame", by_frame(tasks, starts))
    report(f"{tool}, one task", np.array([spent for _, spent in tasks]))


def report(name: str, values: np.ndarray) -> None:
    print(
        f"{name:<22} n={len(values):<5} median {np.median(values):6.2f} ms   "
        f"p95 {np.percentile(values, 95):6.2f} ms   max {values.max():6.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--radius", type=float, default=40, help="of the brush, in image px")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cyborg-bench-"))
    folder.chmod(0o755)
    lab = Lab(folder / "data")
    try:
        lab.import_pictures(side=SIDE, count=8)
        address = lab.plain("painting")
        lab.serve()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**chromium())
            page = browser.new_context(**DESK).new_page()
            walk = Walk(page, Mouse())
            page.goto(address)
            walk.go(until="trial")
            walk.hands.choose(page)
            set_radius(page, given.radius)
            print(
                json.dumps({"chromium": browser.version, "radius_px": given.radius, "seconds": given.seconds})
            )
            for tool in PATHS:
                page.locator(f"[data-tool={tool}]").click()
                session = page.context.new_cdp_session(page)
                report_frames(tool, traced(session, page, tool, seconds=given.seconds))
            browser.close()
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


def set_radius(page: Page, radius: float) -> None:
    page.locator("#size").evaluate(
        "(slider, radius) => {"
        " slider.valueAsNumber = 100 * Math.log(radius / 2) / Math.log(120 / 2);"
        " slider.dispatchEvent(new Event('input', { bubbles: true })); }",
        radius,
    )


if __name__ == "__main__":
    main()
