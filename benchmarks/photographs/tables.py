"""The result as Markdown, and every run as CSV."""

from collections.abc import Sequence
from pathlib import Path

from accuracy.statistics.intervals import Interval
from benchmarks.photographs.comparison import GUIDED, SCENARIOS, Comparison, DifferenceRow
from training.reporting.finished_runs import Row, gather
from training.reporting.report import SIMULATED
from training.reporting.tables import to_csv


def as_markdown(found: Comparison) -> str:
    """Tables of the arms and of the differences, and one sentence for each guided objective."""
    who = [f"**{SIMULATED}**"] if found.simulated else []
    verdicts = [verdict(found, name) for name in GUIDED]
    arms = ["## Arms", _scenarios(found)]
    primary = ["## Differences that decide", _differences(found.primary)]
    others = ["## Other differences", _differences(found.secondary)]
    return "\n\n".join([*who, *verdicts, *arms, *primary, *others])


def verdict(found: Comparison, guided: str) -> str:
    """What may be said of a guided objective."""
    rows = [row for row in found.primary if row.one == guided]
    gains = "; ".join(f"{_signed(row.gain.value)} over {row.other} {_interval(row)}" for row in rows)
    if found.counts(guided):
        return f"**{guided} counts**: it beats shuffled maps and the centre prior. {gains}."
    return f"**{guided} does not count**: it does not beat both controls. {gains}."


def _scenarios(found: Comparison) -> str:
    sources = list(found.scenarios[0].of_sources)
    head = [
        "scenario",
        "seeds",
        f"AUC on {' and '.join(found.unseen)}",
        "over seeds",
        "over images",
        *sources,
    ]
    rows = [
        [
            row.scenario,
            str(row.seeds),
            _number(row.auc.value),
            _range(row.auc.over_seeds),
            _range(row.auc.over_images),
            *(_number(row.of_sources[source]) for source in sources),
        ]
        for row in found.scenarios
    ]
    return _table(head, rows)


def _differences(rows: Sequence[DifferenceRow]) -> str:
    head = ["one", "minus", "difference", "over seeds", "over images", "p (Holm)"]
    return _table(
        head,
        [
            [
                row.one,
                row.other,
                _signed(row.gain.value),
                _range(row.gain.over_seeds, signed=True),
                _range(row.gain.over_images, signed=True),
                "–" if row.p_holm is None else f"{row.p_holm:.2g}",
            ]
            for row in rows
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _interval(row: DifferenceRow) -> str:
    return f"({_range(row.gain.over_seeds, signed=True)} over seeds)"


def _range(interval: Interval, *, signed: bool = False) -> str:
    if interval.low is None or interval.high is None:
        return "–"
    written = _signed if signed else _number
    return f"{written(interval.low)} to {written(interval.high)}"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("0.", ".", 1)


def run_rows(runs_dir: Path) -> str:
    """CSV with a row for each run of the recipe: its AUC on all of the split and on each source."""
    rows: list[Row] = []
    for run in gather(runs_dir):
        if run.config.scenario_name not in SCENARIOS:
            continue
        aucs = {
            name.replace("_softmax", "").replace("/", "_"): value
            for name, value in run.metrics.items()
            if name.startswith("auc_softmax")
        }
        head = {"scenario": run.config.scenario_name, "seed": run.config.seed}
        rows.append({**head, "best_epoch": run.best_epoch, "split": run.split, **aucs})
    return to_csv(sorted(rows, key=lambda row: (SCENARIOS.index(row["scenario"]), row["seed"])))
