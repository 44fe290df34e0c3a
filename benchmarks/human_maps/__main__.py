"""`python -m benchmarks.human_maps`: do human maps help, where do they not, and how efficient are they?"""

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks.human_maps import few_maps as few
from benchmarks.human_maps.annotation_efficiency import fewer_maps, matching_size, more_data
from benchmarks.human_maps.design import DEFAULT, REGIMES, Regime, changed
from benchmarks.human_maps.execution import BenchmarkSettings, run_all
from benchmarks.human_maps.figures import draw_auc, draw_efficiency, draw_maps, save
from benchmarks.human_maps.scenarios import (
    BenchmarkRun,
    cross_entropy_and_cyborg,
    guided,
    other_objectives,
    the_claim,
)
from benchmarks.human_maps.table import claim, document, show
from training.config import Cyborg

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Generated faces with a shortcut, a small artefact and simulated annotators: do their maps help?",
)
out_console = Console(width=160)

Out = Annotated[Path, typer.Option("--out", help="Folder that keeps faces, worlds, runs and figures.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="The first of them; it also draws the faces.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes of one thread each.")]
JsonOut = Annotated[Path | None, typer.Option("--json", help="File that gets every number.")]

OUT = Path("runs/bench-cyborg")
FIRST_SEED = 400
"""Seeds below were used to choose the default design."""


@app.command()
def compare(
    out: Out = OUT,
    seeds: Seeds = 5,
    first_seed: FirstSeed = FIRST_SEED,
    jobs: Jobs = 2,
    json_out: JsonOut = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Every objective, with control maps where it uses human ones.")
    ] = False,
) -> None:
    """Cross-entropy, and CYBORG with human and control maps, in the default world."""
    settings, began = _settings(out, seeds, first_seed, jobs), time.monotonic()
    scenarios = [*the_claim(DEFAULT.design), *(other_objectives(DEFAULT.design) if every else [])]
    results = run_all(settings, scenarios)
    title = f"AUC over {seeds} seeds; simulated annotators, drawn faces"
    out_console.print(show(results, title=title))
    out_console.print(claim(results), highlight=False)
    save(draw_auc(results, title=title), settings.out / "auc")
    save(draw_maps(settings.out, scenarios, seed=first_seed), settings.out / "maps")
    _finish(settings, results, began, json_out, {"compare": document(results)})


@app.command()
def regimes(
    names: Annotated[list[str] | None, typer.Argument(help="Names of worlds; all of them if none.")] = None,
    out: Out = OUT,
    seeds: Seeds = 3,
    first_seed: FirstSeed = FIRST_SEED,
    jobs: Jobs = 2,
    json_out: JsonOut = None,
) -> None:
    """Cross-entropy and CYBORG in worlds that differ from the default in one thing."""
    unknown = sorted(set(names or ()) - REGIMES.keys())
    if unknown:
        raise typer.BadParameter(
            f"There is no regime {unknown[0]!r}; the known ones are {', '.join(REGIMES)}."
        )
    settings, began = _settings(out, seeds, first_seed, jobs), time.monotonic()
    chosen = names or list(REGIMES)
    scenarios = {name: cross_entropy_and_cyborg(REGIMES[name]) for name in chosen}
    results: dict[str, list[BenchmarkRun]] = {}
    for name, pair in scenarios.items():
        results[name] = run_all(settings, pair)
        out_console.print(show(results[name], title=f"{name}: {REGIMES[name].about}"))
    everything = [one for some in results.values() for one in some]
    _finish(settings, everything, began, json_out, {name: document(some) for name, some in results.items()})


@app.command()
def explore(
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE of the world: artefact=36, shortcut=face, …")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = DEFAULT.epochs,
    architecture: Annotated[str, typer.Option(help="Or cyborg_tiny_wide.")] = DEFAULT.architecture,
    map_weight: Annotated[float, typer.Option(min=0)] = DEFAULT.cyborg.map_weight,
    out: Out = OUT,
    seeds: Seeds = 2,
    first_seed: FirstSeed = 0,
    jobs: Jobs = 2,
) -> None:
    """Cross-entropy, CYBORG and shuffled maps in a world of your own."""
    settings, began = _settings(out, seeds, first_seed, jobs), time.monotonic()
    try:
        design = changed(DEFAULT.design, changes or [])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    regime = Regime("", design, architecture, epochs, Cyborg(map_weight=map_weight))
    pair = cross_entropy_and_cyborg(regime)
    shuffled = replace(pair[1], name=f"{pair[1].name}, shuffled maps", maps="shuffled")
    results = run_all(settings, [*pair, shuffled])
    out_console.print(show(results, title=" ".join([*(changes or []), f"epochs={epochs}"])))
    _finish(settings, results, began, None, {})


@app.command()
def annotation_efficiency(
    out: Out = OUT,
    seeds: Seeds = 3,
    first_seed: FirstSeed = FIRST_SEED,
    jobs: Jobs = 2,
    json_out: JsonOut = None,
) -> None:
    """CYBORG with a part of the maps, and cross-entropy with more images and none."""
    settings, began = _settings(out, seeds, first_seed, jobs), time.monotonic()
    maps, data = fewer_maps(DEFAULT.design), more_data(DEFAULT.design)
    results = run_all(settings, [*data, *maps])
    title = f"Annotation efficiency; {seeds} seeds"
    out_console.print(show(results, title=title, baseline=data[0].name))
    out_console.print(matching_size(results, maps, data))
    save(draw_efficiency(results, maps, data), settings.out / "annotation_efficiency")
    _finish(
        settings,
        results,
        began,
        json_out,
        {"annotation_efficiency": document(results, baseline=data[0].name)},
    )


@app.command()
def few_maps(
    out: Out = OUT,
    seeds: Seeds = 5,
    first_seed: FirstSeed = few.FIRST_SEED,
    jobs: Jobs = 2,
    json_out: JsonOut = None,
) -> None:
    """Human maps on a fifth of the images: alone, with a teacher's on the others, or for pretraining."""
    settings, began = _settings(out, seeds, first_seed, jobs), time.monotonic()
    results = run_all(settings, few.first(few.WORLD))
    few.teach_all(settings, few.WORLD)
    results += run_all(settings, few.students(few.WORLD))
    out_console.print(show(results, title=f"Maps on {few.PAINTED:.0%} of the images; {seeds} seeds"))
    for line in few.gains(results):
        out_console.print(line, highlight=False)
    _finish(settings, results, began, json_out, {"few_maps": document(results)})


@app.command()
def photos(
    manifest: Annotated[Path, typer.Argument(help="CSV with a column `path`: images that serve as faces.")],
    out: Out = OUT,
    seeds: Seeds = 5,
    first_seed: FirstSeed = FIRST_SEED,
    jobs: Jobs = 2,
    json_out: JsonOut = None,
) -> None:
    """The default world on photographs: artefact, shortcut and annotators are as simulated as ever."""
    plain = _settings(out, seeds, first_seed, jobs)
    settings, began = replace(plain, out=plain.out / "photos", photos=manifest), time.monotonic()
    design = replace(DEFAULT.design, train=420, val=80, test=300)
    pair = cross_entropy_and_cyborg(replace(DEFAULT, design=design))
    try:
        results = run_all(settings, [*pair, guided(design, "shuffled"), guided(design, "uniform")])
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
    title = f"AUC over {seeds} seeds; photographs, drawn artefacts, simulated annotators"
    out_console.print(show(results, title=title))
    _finish(settings, results, began, json_out, {"photos": document(results)})


def _settings(out: Path, seeds: int, first: int, jobs: int) -> BenchmarkSettings:
    """Work is kept by first seed: it draws the faces that all seeds share."""
    return BenchmarkSettings(out / f"from-seed-{first}", tuple(range(first, first + seeds)), jobs)


def _finish(
    settings: BenchmarkSettings,
    results: Sequence[BenchmarkRun],
    began: float,
    json_out: Path | None,
    tables: dict[str, Any],
) -> None:
    cpu, wall = sum(one.cpu_s for one in results), time.monotonic() - began
    out_console.print(
        f"{len(results)} runs, {cpu:.0f} s of CPU in them, {wall:.0f} s in all. Kept in {settings.out}"
    )
    if json_out is None:
        return
    head = {
        "design": asdict(DEFAULT.design),
        "seeds": settings.seeds,
        "cpu_s": cpu,
        "python": platform.python_version(),
    }
    json_out.write_text(json.dumps({**head, "tables": tables}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    app()
