"""Images per second of training and validation, against the most that the device does with the same network.

    python benchmarks/throughput.py [--architectures …] [--batch 20] [--rounds 5] [--compile] [--json FILE]

"loop" is this project's own epoch: images taken from memory, scaled, the CYBORG objective with all of its
terms, the step of the optimiser, the means over the epoch. "ceiling" is a plain pass of the same network on
one batch of numbers that is there already, in the same precision and layout: forward, cross-entropy and
backward to train, forward alone to look; no data, no maps, no optimiser. On a GPU the ceiling of training
is measured twice: as Python launches it, and recorded as a CUDA graph, which is what the device does when
it never waits for Python. Rounds alternate between all of them; figures are medians of wall time. The last
lines turn the loop's speeds into the hours of the papers' grids.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch.nn.functional import cross_entropy

from training.config import RunConfig, load_recipe
from training.engine.device import inference_batch_size
from training.engine.epoch_means import Means
from training.engine.loop import train_epoch, validate
from training.engine.setup import Setup
from training.engine.step import make_step
from training.estimate import PAPER_COUNTS, Throughput, estimate, score_validation, synthetic_setup, workload

PAPER = "densenet121,resnet50,inception_v3,legacy_xception"
Work = Callable[[], int]
"""Does something and says how many images it was."""


def loop_of(setup: Setup) -> Work:
    take_step = make_step(setup)

    def work() -> int:
        for _ in train_epoch(setup, take_step, 1, lr=1e-6, means=Means()):
            pass
        return len(setup.train)

    return work


def look_of(setup: Setup) -> Work:
    def work() -> int:
        validate(setup)
        return len(setup.val)

    return work


def score_of(setup: Setup) -> Work:
    """The evaluation at the end: float32, images from memory, maps of all of them."""

    def work() -> int:
        score_validation(setup)
        return len(setup.val)

    return work


def network(setup: Setup) -> Callable[[torch.Tensor], torch.Tensor]:
    """Logits and nothing else."""
    net: Any = setup.backbone.net
    return lambda images: net.forward_head(net.forward_features(images))


def noise(setup: Setup, batch: int) -> torch.Tensor:
    side = setup.backbone.network_input.side
    images = torch.randn(batch, 3, side, side, device=setup.device)
    return images.to(memory_format=setup.computation.memory_format)


def plain_pass(setup: Setup) -> Callable[[], None]:
    """Forward and backward, gradients of the pass before forgotten."""
    net, images = network(setup), noise(setup, setup.run.batch_size)
    labels = torch.arange(len(images), device=setup.device) % 2

    def once() -> None:
        for parameter in setup.backbone.parameters():
            parameter.grad = None
        with setup.computation.autocast(setup.device):
            loss = cross_entropy(net(images), labels)
        loss.backward()

    return once


def ceiling_of(setup: Setup, *, recorded: bool) -> Work:
    once = plain_pass(setup)
    steps = len(setup.train) // setup.run.batch_size
    if recorded:
        once = record(once, setup.device)

    def work() -> int:
        setup.backbone.train()
        for _ in range(steps):
            once()
        return steps * setup.run.batch_size

    return work


def record(once: Callable[[], None], device: torch.device) -> Callable[[], None]:
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            once()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        once()
    torch.cuda.synchronize(device)

    def replay(_reads: object = once) -> None:
        """A graph reads tensors of `once` but does not keep them alive."""
        graph.replay()

    return replay


def look_ceiling_of(setup: Setup) -> Work:
    batch = inference_batch_size(setup.run.batch_size, setup.device)
    net, images = network(setup), noise(setup, batch)
    passes = max(1, len(setup.val) // batch)

    @torch.no_grad()
    def work() -> int:
        setup.backbone.eval()
        for _ in range(passes):
            with setup.computation.autocast(setup.device):
                net(images)
        return passes * batch

    return work


def images_per_second(work: Work, device: torch.device) -> float:
    synchronise(device)
    began = time.perf_counter()
    images = work()
    synchronise(device)
    return images / (time.perf_counter() - began)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(architecture: str, options: argparse.Namespace) -> dict[str, float]:
    """Median images per second of each kind of work; `compile_s` is what compiling took."""
    settings = {"batch_size": options.batch, "weights": "none", "deterministic": options.deterministic}
    run = RunConfig(architecture=architecture, objective="cyborg", **settings, compile="off")
    setup = synthetic_setup(run, steps=options.steps)
    kinds = {"ceiling": ceiling_of(setup, recorded=False), "loop": loop_of(setup)}
    kinds |= {"look ceiling": look_ceiling_of(setup), "look": look_of(setup), "score": score_of(setup)}
    if setup.device.type == "cuda":
        kinds["recorded ceiling"] = ceiling_of(setup, recorded=True)
    found = {}
    if options.compile:
        began = time.perf_counter()
        compiled = synthetic_setup(RunConfig(**{**dict(run), "compile": "on"}), steps=options.steps)
        kinds |= {"compiled loop": loop_of(compiled), "compiled look": look_of(compiled)}
        for name in ("compiled loop", "compiled look"):
            kinds[name]()
        synchronise(compiled.device)
        found["compile_s"] = time.perf_counter() - began
    for work in kinds.values():
        work()
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, work in kinds.items():
            rates[kind].append(images_per_second(work, setup.device))
    if setup.device.type == "cuda":
        found["memory_gb"] = torch.cuda.max_memory_allocated(setup.device) / 1e9
    return {kind: statistics.median(values) for kind, values in rates.items()} | found


def told(found: dict[str, dict[str, float]]) -> None:
    """One row per architecture."""
    kinds = list(next(iter(found.values())))
    print("".join(["images/s".ljust(18), *(kind.rjust(18) for kind in kinds)]))
    for name, rates in found.items():
        print("".join([name.ljust(18), *(f"{rates[kind]:18.1f}" for kind in kinds)]))
    for name, rates in found.items():
        most = max(rates["ceiling"], rates.get("recorded ceiling", 0))
        print(
            f"{name:18} loop / ceiling {rates['loop'] / rates['ceiling']:.2f}, loop / best ceiling "
            f"{rates['loop'] / most:.2f}, look / its ceiling {rates['look'] / rates['look ceiling']:.2f}"
        )


def hours(found: dict[str, dict[str, float]]) -> None:
    """Of the papers' grids on one such device, at the loop's speeds."""
    speeds = {name: Throughput(rates["loop"], rates["look"], rates["score"]) for name, rates in found.items()}
    for recipe in ("wacv2023", "droid2023"):
        runs = load_recipe(recipe).runs()
        if not {run.architecture for run in runs} <= speeds.keys():
            continue
        whole = estimate(runs, PAPER_COUNTS, speeds).total
        work = [(workload(run, PAPER_COUNTS), speeds[run.architecture]) for run in runs]
        training = sum(one.trained / speed.training for one, speed in work) / 3600
        validation = sum(one.validated / speed.validation for one, speed in work) / 3600
        print(
            f"{recipe}: {len(runs)} runs, {whole:.1f} h = {training:.1f} h training, "
            f"{validation:.1f} h validation, {whole - training - validation:.1f} h test"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--architectures", default=PAPER)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="Steps of an epoch; the default suits the device.")
    parser.add_argument("--deterministic", action="store_true", help="As a plain recipe: bits repeat.")
    parser.add_argument("--compile", action="store_true", help="Measure the compiled network, too.")
    parser.add_argument("--json", type=Path, help="Write every figure there.")
    options = parser.parse_args()
    found = {}
    for name in options.architectures.split(","):
        found[name] = measure(name, options)
        print(name, {kind: round(value, 1) for kind, value in found[name].items()}, flush=True)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    print(
        f"\n{device}, torch {torch.__version__}, batch {options.batch}, "
        f"{'bits repeat' if options.deterministic else 'bits need not repeat'}"
    )
    told(found)
    hours(found)
    if options.json:
        options.json.write_text(
            json.dumps({"device": device, "batch": options.batch, "speeds": found}, indent=1)
        )


if __name__ == "__main__":
    main()
