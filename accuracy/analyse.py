"""Everything that an analysis says about a table of decisions, as a list of estimates."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from accuracy.decisions.reading import DecisionFile, side_by_side
from accuracy.decisions.table import Decisions
from accuracy.findings.arms import of_arms, people_in_arms
from accuracy.findings.cautions import cautions
from accuracy.findings.cells import cells, pairs
from accuracy.findings.courses import learning, painting, time
from accuracy.findings.differences import by_source, differences
from accuracy.findings.estimates import Analysis, Caution, Estimate
from accuracy.reporting.figures import figures
from accuracy.reporting.files import ReportedAnalysis
from accuracy.reporting.words import NAMES

OnProgress = Callable[[int, int], None]
"""Called with the parts that are done and the parts that there are."""


def analyse(
    decisions: Decisions,
    *,
    name: str,
    simulated: bool = False,
    notes: Iterable[str] = (),
    on_progress: OnProgress = lambda _done, _total: None,
) -> Analysis:
    """Every estimate that the columns of a table allow; no decision gives none, and a caution."""
    estimates: list[Estimate] = []
    parts = PARTS if not decisions.frame.empty else ()
    for done, part in enumerate(parts):
        on_progress(done, len(parts))
        estimates += part(decisions)
    return Analysis(
        name=name,
        design=decisions.design,
        simulated=simulated,
        decisions=len(decisions.frame),
        participants=decisions.participants,
        items=decisions.items,
        arms=tuple(decisions.arms),
        estimates=tuple(estimates),
        cautions=(*cautions(decisions), *_not_fitted(estimates)),
        paints=tuple(arm for arm in decisions.arms if arm in decisions.paints),
        notes=tuple(notes),
    )


def _not_fitted(estimates: Iterable[Estimate]) -> Iterator[Caution]:
    missing = [
        estimate
        for estimate in estimates
        if estimate.method.startswith("logistic") and estimate.value is None
    ]
    if missing:
        names = sorted({f"{NAMES[estimate.measure]} of {estimate.of}" for estimate in missing})
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """An analysis beside files, and the table of decisions that it is of."""

    analysis: Analysis
    decisions: Decisions


def analyse_beside(
    decisions: Decisions,
    files: Sequence[DecisionFile],
    *,
    name: str,
    simulated: bool,
    notes: Iterable[str] = (),
    on_progress: OnProgress = lambda _done, _total: None,
) -> Comparison:
    """Analyse decisions beside those of files.

    The arms of a file are compared with these where it has the same design. Those of another design stand
    beside them without a difference. People and programs are never in one analysis: such a file is named and
    left out.
    """
    same_kind = [file for file in files if file.simulated == simulated]
    comparable = [file for file in same_kind if file.decisions.design == decisions.design]
    others = [file for file in same_kind if file.decisions.design != decisions.design]
    table = side_by_side(decisions, comparable) if comparable else decisions
    notes_of_files = [f"{file.name}: {note}" for file in comparable for note in file.notes]
    analysis = analyse(
        table,
        name=name,
        simulated=simulated,
        notes=[*notes, *notes_of_files, *map(_design_note, _of_another_design(files, decisions))],
        on_progress=on_progress,
    )
    mixed = [_never_mixed(file) for file in files if file.simulated != simulated]
    beside = [
        replace(estimate, section="designs", of=f"{file.name}: {estimate.of}")
        for file in others
        for estimate in of_arms(file.decisions)
    ]
    analysis = replace(
        analysis,
        cautions=(*analysis.cautions, *mixed),
        estimates=(*analysis.estimates, *beside),
    )
    return Comparison(analysis, table)


def _of_another_design(files: Iterable[DecisionFile], decisions: Decisions) -> list[DecisionFile]:
    return [file for file in files if file.decisions.design != decisions.design]


def _design_note(file: DecisionFile) -> str:
    return (
        f"{file.name} has another design, and a share correct of single images is not that of a forced "
        "choice: its arms stand beside these without a difference; compare d′."
    )


def _never_mixed(file: DecisionFile) -> Caution:
    of_file, of_study = ("programs", "people") if file.simulated else ("people", "programs")
    return Caution(
        "never_mixed",
        f"Not compared: {file.name}. It has decisions of {of_file}, this analysis those of {of_study}, and "
        "the two are never mixed.",
    )


def analyse_file(
    file: DecisionFile,
    others: Sequence[DecisionFile] = (),
    *,
    on_progress: OnProgress = lambda _done, _total: None,
) -> ReportedAnalysis:
    """A file by itself, or beside others, with its figures."""
    compared = analyse_beside(
        file.decisions,
        others,
        name=file.name,
        simulated=file.simulated,
        notes=file.notes,
        on_progress=on_progress,
    )
    drawn = figures(compared.decisions, compared.analysis, None)
    return ReportedAnalysis(compared.analysis, compared.decisions, drawn, file.inputs_hash)
