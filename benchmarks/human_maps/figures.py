"""Draw the results: AUC by scenario, annotation efficiency, and model maps beside human maps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.human_maps.scenarios import BenchmarkRun, BenchmarkScenario, run_folder, world_folder
from benchmarks.human_maps.table import HEADLINE, mean_sd, scenario_names, values
from training.config import Cyborg
from training.data import loading
from training.data.dataset import DatasetFolder, Sample, load_dataset
from training.data.human_maps import load_maps
from training.model.cam import explanation, min_max
from training.model.network_input import IMAGENET, NetworkInput
from training.run import open_run
from training.run_folder import RunFolder

Maps = NDArray[np.float32]

CONDITIONS: Final = {
    "unseen/random": ("mark independent of the label", "#3b6fb6", "o"),
    "unseen/absent": ("no mark", "#7a9a3c", "s"),
    "unseen/follows": ("mark on the fakes, as in training", "#b0b0b0", "^"),
    "unseen/reversed": ("mark on the real ones", "#c5543b", "v"),
}
EXAMPLES: Final = 4
FORMATS: Final = ("png", "pdf")


def save(figure: Figure, path: Path) -> list[Path]:
    """As PNG and as PDF beside one another."""
    paths = [path.with_suffix(f".{kind}") for kind in FORMATS]
    for one in paths:
        figure.savefig(one, dpi=160, bbox_inches="tight")
    return paths


def draw_auc(results: Sequence[BenchmarkRun], *, title: str) -> Figure:
    """AUC on unseen generators: every run, and mean ± sd over seeds, by what the mark does in the test."""
    names = scenario_names(results)
    figure = Figure(figsize=(1.8 + 1.15 * len(names), 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0.5, color="#888888", lw=0.8, ls="--", zorder=0)
    for i, (key, (label, colour, marker)) in enumerate(CONDITIONS.items()):
        shift = (i - (len(CONDITIONS) - 1) / 2) * 0.19
        for place, name in enumerate(names):
            found = values(results, name, key)
            mean, sd = mean_sd(found)
            axes.plot([place + shift] * len(found), found, ".", color=colour, ms=4, alpha=0.45)
            axes.errorbar(
                place + shift,
                mean,
                yerr=0 if np.isnan(sd) else sd,
                fmt=marker,
                color=colour,
                capsize=3,
                ms=6,
                lw=1.4,
                label=label if place == 0 else None,
            )
    axes.set_xticks(range(len(names)), [name.replace(", ", "\n") for name in names])
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("AUC on unseen generators")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(CONDITIONS), frameon=False, fontsize=9)
    return figure


def draw_efficiency(
    results: Sequence[BenchmarkRun], maps: Sequence[BenchmarkScenario], data: Sequence[BenchmarkScenario]
) -> Figure:
    """AUC over the number of annotated images (CYBORG), and over the number of images (cross-entropy)."""
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    axes = figure.subplots()
    images = maps[0].design.train
    annotated = [images * cast("Cyborg", scenario.objective).keep_rate for scenario in maps]
    sizes = [scenario.design.train for scenario in data]
    for label, x, chosen, colour in (
        (f"CYBORG, {images} images: how many have a map", annotated, maps, "#c5543b"),
        ("cross-entropy, no maps: how many images", sizes, data, "#3b6fb6"),
    ):
        found = [mean_sd(values(results, scenario.name, HEADLINE)) for scenario in chosen]
        axes.errorbar(
            x,
            [mean for mean, _ in found],
            yerr=[0 if np.isnan(sd) else sd for _, sd in found],
            color=colour,
            marker="o",
            capsize=3,
            label=label,
        )
    axes.axhline(0.5, color="#888888", lw=0.8, ls="--", zorder=0)
    axes.set_xscale("log")
    ticks = sorted({round(x) for x in [*annotated, *sizes]})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("images")
    axes.set_ylabel("AUC on unseen generators")
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_maps(out: Path, chosen: Sequence[BenchmarkScenario], *, seed: int) -> Figure:
    """Maps of some unseen fakes with the mark, then the average of all: human maps first, then models."""
    dataset = load_dataset(world_folder(out, chosen[0].design, seed=seed))
    samples = marked_fakes(dataset)
    human = load_maps(dataset, samples, (64, 64)).numpy()
    cams = {
        scenario.name: model_maps(run_folder(out, scenario, seed=seed), dataset, samples)
        for scenario in chosen
    }
    shown = _spread(len(samples), EXAMPLES)
    figure = Figure(figsize=(1.45 * (len(cams) + 2), 1.5 * (EXAMPLES + 1)), layout="constrained")
    grid = figure.subplots(EXAMPLES + 1, len(cams) + 2)
    whole = NetworkInput(chosen[0].design.size, IMAGENET)
    pictures = [loading.decode_image(dataset.root / s.path, whole).transpose(1, 2, 0) for s in samples]
    for row, number in zip(grid, [*shown, None], strict=False):
        take = slice(None) if number is None else slice(number, number + 1)
        face = np.mean(pictures[take], axis=0).astype(np.uint8)
        _tile(row[0], face)
        _tile(row[1], face, np.nanmean(human[take], axis=0))
        for axes, maps in zip(row[2:], cams.values(), strict=True):
            _tile(axes, face, maps[take].mean(axis=0))
    for axes, heading in zip(grid[0], ["picture", "people", *cams], strict=True):
        axes.set_title(heading.replace(", ", "\n"), fontsize=8)
    grid[-1][0].set_ylabel(f"average of {len(samples)}", fontsize=8)
    return figure


def marked_fakes(dataset: DatasetFolder) -> list[Sample]:
    """Test fakes of unseen generators with the mark on them and a human map."""
    wanted = (s for s in dataset.of("test") if s.label == "fake" and s.source.startswith("unseen"))
    return [sample for sample in wanted if sample.image_id.endswith("-marked") and sample.map]


@torch.no_grad()
def model_maps(run: Path, dataset: DatasetFolder, samples: Sequence[Sample]) -> Maps:
    """(N, 64, 64): the maps of a finished run, enlarged."""
    config, backbone = open_run(RunFolder(run), device="cpu")
    network_input = backbone.network_input
    pixels = torch.from_numpy(
        np.stack([loading.decode_image(dataset.root / s.path, network_input) for s in samples])
    )
    features, logits = backbone(backbone.normalise(pixels))
    labels = torch.tensor([sample.target for sample in samples])
    maps = min_max(explanation(config.objective.cam_class, features, backbone.weight, logits, labels))
    enlarged = [cv2.resize(one, (64, 64), interpolation=cv2.INTER_CUBIC) for one in maps.numpy()]
    return np.asarray(np.clip(np.stack(enlarged), 0, 1), np.float32)


def _spread(count: int, wanted: int) -> list[int]:
    return [round(place) for place in np.linspace(0, count - 1, wanted)]


def _tile(axes: Axes, picture: Any, saliency: Any = None) -> None:
    axes.imshow(picture if saliency is None else _grey(picture))
    if saliency is not None:
        side = picture.shape[0]
        axes.imshow(
            saliency, cmap="inferno", alpha=0.62, vmin=0, vmax=1, extent=(-0.5, side - 0.5, side - 0.5, -0.5)
        )
    axes.set_xticks([])
    axes.set_yticks([])


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
