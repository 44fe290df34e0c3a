"""Everything that is said about a table of decisions, as a list of estimates."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from accuracy.decisions.table import Decisions
from accuracy.findings.arms import of_arms, people_in_arms
from accuracy.findings.cautions import cautions
from accuracy.findings.cells import cells, pairs
from accuracy.findings.courses import learning, painting, time
from accuracy.findings.differences import by_source, differences
from accuracy.findings.estimates import Analysis, Caution, Estimate
from accuracy.reporting.words import NAMES

Told = Callable[[int, int], None]


def analyse(
    decisions: Decisions,
    *,
    name: str,
    simulated: bool = False,
    notes: Iterable[str] = (),
    on_progress: Told = lambda _done, _total: None,
) -> Analysis:
    """Every estimate that the columns of a table allow; no decision gives none, and a caution.

    on_progress : told how many of the parts are done
    """
    estimates: list[Estimate] = []
    found: list[Caution] = list(cautions(decisions))
    parts = PARTS if not decisions.frame.empty else ()
    for done, part in enumerate(parts):
        on_progress(done, len(parts))
        estimates += part(decisions)
    found += _unfitted(estimates)
    return Analysis(
        name=name,
        design=decisions.design,
        simulated=simulated,
        decisions=len(decisions.frame),
        participants=decisions.participants,
        items=decisions.items,
        arms=tuple(decisions.arms),
        estimates=tuple(estimates),
        cautions=tuple(found),
        paints=tuple(arm for arm in decisions.arms if arm in decisions.paints),
        notes=tuple(notes),
    )


def _unfitted(estimates: Iterable[Estimate]) -> Iterator[Caution]:
    missing = [one for one in estimates if one.method.startswith("logistic") and one.value is None]
    if missing:
        names = sorted({f"{NAMES[one.measure]} of {one.of}" for one in missing})
        yield Caution(
            "no_convergence",
            f"These models have no answer, because they separate right from wrong or did not converge: "
            f"{', '.join(names)}.",
        )


PARTS: Final[tuple[Callable[[Decisions], Iterable[Estimate]], ...]] = (
    of_arms,
    differences,
    by_source,
    time,
    painting,
    learning,
    people_in_arms,
    cells,
    pairs,
)
