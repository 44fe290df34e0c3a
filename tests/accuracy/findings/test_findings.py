"""What an analysis says of tables that are as they should be, and of those that are not."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from accuracy.analyse import analyse
from accuracy.decisions.table import COLUMNS, Decisions
from accuracy.findings.estimates import FIELDS, SECTIONS, Analysis, amount, bounds
from accuracy.findings.extremes import extremes, tallies
from accuracy.reporting.figures import figures
from accuracy.reporting.painting import SIDE_PX, PaintedAverages, painted
from accuracy.reporting.report import Facts, draw, html, pdf
from accuracy.reporting.tidy import DECISION_FIELDS, decisions_csv, estimates_csv
from accuracy.reporting.words import NAMES, subject
from tests.support import ROOT

FACTS = Facts(datetime(2026, 1, 2, tzinfo=UTC), "ab" * 32)


BOTH = ("control", "annotate")


def table(
    *, people: int = 12, trials: int = 12, arms=("control", "annotate"), share: float = 0.65
) -> Decisions:
    """Decisions with every column there is."""
    rng = np.random.default_rng(0)
    n = people * trials * len(arms)
    arm = np.repeat(arms, people * trials)
    correct = (rng.random(n) < share).astype(float)
    answer = rng.choice(["left", "right"], n)
    other = np.where(answer == "left", "right", "left")
    painting = arm == "annotate"
    frame = pd.DataFrame(
        {
            "participant": np.repeat(np.arange(people * len(arms)), trials).astype(str),
            "arm": arm,
            "correct": correct,
            "item": np.tile(np.arange(trials), people * len(arms)),
            "source": np.where(np.tile(np.arange(trials), people * len(arms)) % 2, "one", "two"),
            "question": rng.choice(["real", "fake"], n),
            "answer": answer,
            "choice": np.where(correct == 1, answer, other),
            "position": np.tile(np.arange(1, trials + 1), people * len(arms)),
            "decision_ms": rng.lognormal(8, 0.5, n),
            "annotation_ms": np.where(painting, rng.lognormal(9, 0.5, n), np.nan),
            "area": np.where(painting, rng.beta(2, 20, n), np.nan),
        }
    )
    return Decisions(frame, paints=frozenset({"annotate"}))


def codes(analysis: Analysis) -> set[str]:
    return {one.code for one in analysis.cautions}


@pytest.fixture(scope="module")
def whole() -> Analysis:
    return analyse(table(), name="A study")


class TestWholeTable:
    def test_nothing_to_warn_of(self, whole):
        assert codes(whole) == set()

    def test_every_section_speaks(self, whole):
        only_beside_another_file = {"designs"}
        assert {one.section for one in whole.estimates} == set(SECTIONS) - only_beside_another_file

    def test_every_number_says_what_it_means_and_has_a_name(self, whole):
        assert all(re.fullmatch(r"[A-Z].*\.", one.meaning) for one in whole.estimates)
        assert {one.measure for one in whole.estimates} <= set(NAMES)

    def test_painting_is_compared_with_not_painting(self, whole):
        assert {one.of for one in whole.of("difference")} == {"annotate − control"}

    def test_intervals_hold_their_value(self, whole):
        known = [one for one in whole.estimates if one.value is not None and one.low is not None]
        assert all(one.low <= one.value <= one.high for one in known)

    def test_sources_are_corrected_together(self, whole):
        found = whole.of("sources")
        assert len(found) == 2
        assert all(one.p_holm >= one.p for one in found)

    def test_it_is_data(self, whole):
        assert Analysis.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole

    def test_the_same_table_gives_the_same_numbers(self, whole):
        assert analyse(table(), name="A study") == whole

    def test_more_arms_are_compared_two_by_two(self):
        found = analyse(table(arms=("a", "b", "c")), name="x")
        main = [one for one in found.of("difference") if one.method.startswith("clustered")]
        assert [one.of for one in main] == ["b − a", "c − a", "c − b"]
        assert all(one.p_holm is not None for one in main)


class TestTablesThatLack:
    @pytest.mark.parametrize("column", sorted(set(COLUMNS) - {"participant", "arm", "correct"}))
    def test_a_column_may_be_missing(self, column):
        decisions = table(people=4)
        without = Decisions(decisions.frame.drop(columns=column), "2afc", decisions.paints)
        analysis = analyse(without, name="x")
        assert analysis.of("difference")
        assert figures(without, analysis, None)

    def test_no_decision(self):
        empty = Decisions(table().frame.iloc[:0])
        analysis = analyse(empty, name="x")
        assert codes(analysis) == {"empty"}
        assert analysis.estimates == ()
        assert figures(empty, analysis, None) == []

    def test_one_arm(self):
        analysis = analyse(table(arms=("control",)), name="x")
        assert codes(analysis) == {"one_arm"}
        assert analysis.of("difference") == []
        assert analysis.of("arms", "accuracy")[0].low is not None

    def test_one_participant(self):
        analysis = analyse(table(people=1, arms=("control",)), name="x")
        assert codes(analysis) == {"one_arm", "few_participants"}
        assert analysis.of("arms", "accuracy")[0].low is None

    def test_one_decision(self):
        one = Decisions(table().frame.iloc[:1])
        assert "few_participants" in codes(analyse(one, name="x"))
        draw(figures(one, analyse(one, name="x"), None))

    def test_one_participant_in_each_arm_has_no_test(self):
        found = analyse(table(people=1), name="x").of("difference")
        assert all(one.p is None for one in found)

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_all_correct_or_all_wrong(self, share):
        analysis = analyse(table(share=share), name="x")
        assert {"separation", "no_convergence"} <= codes(analysis)
        main = analysis.of("difference", "difference")[0]
        assert main.value == 0
        assert main.low < 0 < main.high
        draw(figures(table(share=share), analysis, None))

    def test_an_empty_cell_is_named(self):
        decisions = table()
        frame = decisions.frame
        kept = frame[~((frame["arm"] == "annotate") & (frame["source"] == "one"))]
        cautions = analyse(Decisions(kept, "2afc", decisions.paints), name="x").cautions
        assert "No decision at all: annotate with source one." in [one.sentence for one in cautions]

    def test_an_arm_without_a_source_is_left_out_of_sources_and_named(self):
        decisions = table(arms=("control", "annotate", "other"))
        frame = decisions.frame
        frame["source"] = frame["source"].where(frame["arm"] != "other")
        analysis = analyse(Decisions(frame, "2afc", decisions.paints), name="x")
        assert {one.of for one in analysis.of("sources")} == {"annotate − control"}
        assert codes(analysis) == {"no_column"}

    def test_a_source_that_one_arm_did_not_see_is_not_compared(self):
        decisions = table()
        frame = decisions.frame
        kept = frame[~((frame["arm"] == "annotate") & (frame["source"] == "one"))]
        analysis = analyse(Decisions(kept, "2afc", decisions.paints), name="x")
        assert [one.within for one in analysis.of("sources")] == ["source=two"]

    def test_without_pairs_intervals_speak_of_people_alone(self):
        decisions = table()
        without = Decisions(decisions.frame.drop(columns="item"), "2afc", decisions.paints)
        analysis = analyse(without, name="x")
        assert "unknown_pairs" in codes(analysis)
        assert "other people with these pictures" in analysis.of("difference", "difference")[0].meaning

    def test_one_decision_has_no_d_prime(self):
        found = analyse(Decisions(table().frame.iloc[:1]), name="x").of("arms", "d_prime")[0]
        assert (found.value, found.low, found.high) == (None, None, None)
        assert "at least 2 decisions" in found.meaning

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_a_share_of_nothing_or_all_gives_a_bound_that_says_so(self, share):
        analysis = analyse(table(share=share), name="x")
        found = [*analysis.of("arms", "d_prime"), *analysis.of("difference", "d_prime_difference")]
        assert all(one.low is None and "has no interval" in one.meaning for one in found)

    def test_no_interval_has_no_width(self, whole):
        few = [
            analyse(table(people=people, trials=3, share=share), name="x")
            for people in (1, 2)
            for share in (0.5, 0.9, 1.0)
        ]
        for analysis in (whole, *few):
            known = [one for one in analysis.estimates if one.low is not None]
            assert all(one.low + 1e-6 < one.high for one in known)

    def test_people_who_are_all_alike_leave_no_interval_and_no_test(self):
        decisions = table(people=4, trials=3)
        frame = decisions.frame
        frame["correct"] = (frame["item"] > 0).astype(float)
        found = analyse(decisions, name="x").of("difference")
        alike = [one for one in found if one.unit == "points" or one.measure == "odds_ratio"]
        assert [(one.low, one.high, one.p) for one in alike] == [(None, None, None)] * len(alike)

    @pytest.fixture
    def shared(self) -> Analysis:
        """Three arms, of which the first two are of the same people."""
        frame = table(arms=("control", "annotate", "other")).frame
        number = frame["participant"].astype(int)
        return analyse(Decisions(frame.assign(participant=number.where(number >= 24, number % 12))), name="x")

    def test_arms_that_share_people_have_no_test_that_takes_them_for_different_ones(self, shared):
        without = [one for one in shared.of("difference") if one.of == "control − annotate"]
        apart = [one for one in shared.of("difference") if one.of == "other − control"]
        people_alone = {"permutation of participants", "bootstrap-t over participants"}
        assert not people_alone & {one.method.partition(",")[0] for one in without}
        assert people_alone == people_alone & {one.method.partition(",")[0] for one in apart}

    def test_what_is_left_out_of_them_is_told_in_a_sentence(self, shared):
        (told,) = [one.sentence for one in shared.cautions if one.code == "several_arms"]
        assert told.startswith("12 participants decided in more than one arm: ")
        assert (
            "the permutation test and the bootstrap are left out, because both assume that everybody" in told
        )

    def test_their_difference_allows_for_it(self, shared):
        main = next(one for one in shared.of("difference", "difference") if one.of == "control − annotate")
        assert main.p is not None
        assert main.low < main.value < main.high

    @pytest.mark.slow
    def test_ten_thousand_participants(self):
        decisions = table(people=5_000, trials=4)
        main = analyse(decisions, name="x").of("difference", "difference")[0]
        assert main.participants == 10_000
        assert main.high - main.low < 0.04


class TestExtremes:
    def analysis(self, whole, counts: dict[str, tuple[int, int]]) -> Analysis:
        blank = next(one for one in whole.estimates if one.section == "pairs")
        found = [
            replace(blank, of=arm, within=f"item={item};source=a;b", correct=correct, decisions=decisions)
            for item, (correct, decisions) in counts.items()
            for arm in ("control", "annotate")
        ]
        return replace(whole, estimates=tuple(found))

    def test_few_decisions_do_not_make_a_pair_the_hardest(self, whole):
        counts = {"few": (0, 1), "hard": (4, 20), "middle": (10, 20), "easy": (19, 20)}
        hardest, easiest = extremes(self.analysis(whole, counts))
        assert [one.item for one in hardest] == ["hard", "middle"]
        assert [one.item for one in easiest] == ["easy", "few"]
        assert (hardest[0].correct, hardest[0].decisions) == (8, 40)
        assert hardest[0].arms == (("control", 4, 20), ("annotate", 4, 20))

    def test_there_are_ten_of_each_and_none_in_both(self, whole):
        counts = {str(number): (number, 40) for number in range(41)}
        hardest, easiest = extremes(self.analysis(whole, counts))
        assert [int(one.item) for one in hardest] == list(range(10))
        assert [int(one.item) for one in easiest] == list(range(40, 30, -1))

    def test_they_are_those_of_the_table(self, whole):
        per_pair = table().frame.groupby("item")["correct"].agg(["sum", "size"])
        for one in tallies(whole):
            assert (one.correct, one.decisions) == tuple(per_pair.loc[int(one.item)])
        assert len(tallies(whole)) == 12

    def test_without_pairs_there_are_none(self, whole):
        assert extremes(replace(whole, estimates=())) == ([], [])


class TestTimeOverATrial:
    def test_it_is_deciding_and_painting_together(self, whole):
        frame = table().frame
        total = frame["decision_ms"] + frame["annotation_ms"].fillna(0)
        for one in whole.of("time", "total_ms"):
            assert one.value == pytest.approx(stats.gmean(total[frame["arm"] == one.of]))
            assert one.low < one.value < one.high

    def test_how_many_times_as_long_is_the_ratio_of_the_two(self, whole):
        control, annotate = (one.value for one in whole.of("time", "total_ms"))
        assert whole.of("time", "total_time_ratio")[0].value == pytest.approx(annotate / control)

    @pytest.fixture
    def quick(self) -> Decisions:
        """Painting that takes about a quarter of a trial, so that both arms take much the same time."""
        decisions = table()
        decisions.frame["annotation_ms"] /= 8
        return decisions

    def test_at_equal_time_the_difference_is_told_with_what_it_cannot_tell(self, quick):
        found = analyse(quick, name="x").of("time", "difference_at_equal_total_time")[0]
        assert found.low < found.value < found.high
        assert "Painting comes after the last choice" in found.meaning

    def test_it_is_that_of_statsmodels(self, quick):
        from statsmodels.genmod.families import Binomial
        from statsmodels.genmod.generalized_linear_model import GLM

        frame = quick.frame
        time = np.log(frame["decision_ms"] + frame["annotation_ms"].fillna(0))
        arm = (frame["arm"] == "annotate").astype(float)
        columns = np.column_stack([np.ones(len(frame)), arm, time, time**2])
        fitted = GLM(frame["correct"], columns, family=Binomial()).fit()
        one, zero = columns.copy(), columns.copy()
        one[:, 1], zero[:, 1] = 1, 0
        expected = np.mean(fitted.predict(one) - fitted.predict(zero))
        found = analyse(quick, name="x").of("time", "difference_at_equal_total_time")[0]
        assert found.value == pytest.approx(expected, abs=1e-5)

    def test_times_that_do_not_meet_give_no_difference_and_say_why(self):
        decisions = table()
        decisions.frame["annotation_ms"] *= 100
        analysis = analyse(decisions, name="x")
        found = analysis.of("time", "difference_at_equal_total_time")[0]
        assert found.value is None
        assert found.meaning.startswith("Not computed: only ")
        assert codes(analysis) == set()

    def test_a_missing_time_is_not_no_time(self):
        decisions = table()
        frame = decisions.frame
        frame.loc[frame["arm"] == "annotate", "annotation_ms"] *= np.where(np.arange(144) % 2, 1, np.nan)
        one = analyse(decisions, name="x").of("time", "total_ms")[1]
        assert (one.of, one.decisions) == ("annotate", 72)


class TestWords:
    @pytest.mark.parametrize(("unit", "written"), [("points", "+0.0 points"), ("d'", "0.00")])
    def test_what_rounds_to_nothing_is_not_below_it(self, whole, unit, written):
        assert amount(replace(whole.estimates[0], unit=unit), -0.0004) == written

    def test_parts_of_a_visit_are_written_without_zeros_and_in_order(self):
        analysis = analyse(table(trials=31), name="x")
        found = [one.within for one in analysis.of("cells") if one.within.startswith("position")]
        assert found[:6] == [f"position={part}" for part in ("1–6", "7–12", "13–18", "19–24", "25–30", "31")]

    @pytest.mark.parametrize(
        ("paints", "simulated", "expected"),
        [
            ((), False, "Human accuracy"),
            (("annotate",), False, "Human accuracy with and without painting"),
            (("control", "annotate"), False, "Human accuracy with painting"),
            (("annotate",), True, "Accuracy of simulated participants with and without painting"),
        ],
    )
    def test_a_report_is_called_what_it_is_about(self, whole, paints, simulated, expected):
        analysis = replace(whole, paints=paints, simulated=simulated)
        assert subject(analysis) == expected
        assert f"{expected}." in html(analysis, [], FACTS)

    def test_analyses_kept_by_an_earlier_version_are_read(self, whole):
        kept = whole.to_dict()
        del kept["paints"]
        assert Analysis.from_dict(kept) == replace(whole, paints=())

    def test_tests_for_these_very_pairs_say_so(self, whole):
        people_alone = [
            one for one in whole.estimates if "articipants" in one.method and "pairs" not in one.method
        ]
        said = [one for one in people_alone if one.section == "difference"]
        assert {one.measure for one in said} == {"difference", "permutation_test"}
        assert all("these very pairs" in one.meaning for one in said)

    def test_intervals_of_arms_say_for_whom_they_are(self, whole):
        assert all("for other people and other pictures" in one.meaning for one in whole.of("arms"))

    def test_amounts_are_written_as_people_do(self, whole):
        accuracy = whole.of("arms", "accuracy")[0]
        assert re.fullmatch(r"\d+\.\d %", amount(accuracy, accuracy.value))
        assert amount(accuracy, None) == "–"
        main = whole.of("difference", "difference")[0]
        assert re.fullmatch(r"[+−]\d+\.\d points", amount(main, main.value))
        assert "points" not in bounds(main)


class TestReport:
    @pytest.fixture
    def drawn(self, whole):
        averages = PaintedAverages()
        for group in (("real", True), ("real", False), ("fake", True)):
            averages.add(group, np.eye(SIDE_PX))
        return figures(table(), whole, averages)

    def test_the_page_needs_no_other_file(self, whole, drawn):
        page = html(whole, draw(drawn), FACTS)
        assert page.count("data:image/svg+xml") == len(drawn) == 9
        assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
        assert "<script" not in page

    def test_a_hostile_name_is_text(self, whole):
        page = html(replace(whole, name="<script>alert(1)</script>"), [], FACTS)
        assert "<script" not in page

    def test_the_pdf_has_the_figures(self, whole, drawn):
        made = pdf(whole, drawn, FACTS)
        assert made.startswith(b"%PDF")
        assert len(re.findall(rb"/Type /Page\b", made)) >= 4

    def test_simulated_people_are_labelled(self, whole, drawn):
        assert "Simulated participants" in html(replace(whole, simulated=True), [], FACTS)

    def test_the_same_figure_gives_the_same_bytes(self, drawn):
        assert draw(drawn[:2]) == draw(drawn[:2])


class TestTidy:
    def test_decisions_have_a_row_each(self):
        found = pd.read_csv(io.StringIO(decisions_csv(table())))
        assert len(found) == len(table().frame)
        assert list(found.columns) == list(COLUMNS)

    def test_no_text_is_taken_for_a_formula(self):
        outside = replace(table(), frame=table().frame.assign(participant="=cmd()"))
        assert set(pd.read_csv(io.StringIO(decisions_csv(outside))).participant) == {"'=cmd()"}

    def test_estimates_have_a_row_each(self, whole):
        found = pd.read_csv(io.StringIO(estimates_csv(whole)))
        assert len(found) == len(whole.estimates)
        assert tuple(found.columns) == FIELDS


class TestPainted:
    def test_areas_and_averages(self):
        stroke = {"tool": "lasso", "radius": 0, "points": [[0, 0, 0], [50, 0, 1], [50, 100, 2], [0, 100, 3]]}
        areas, averages = painted([annotation(1, [stroke]), annotation(2, [], correct=False)])
        assert areas[1] == pytest.approx(0.5, abs=0.02)
        assert areas[2] == 0
        assert averages.counts == {("real", True): 1}
        left, right = np.hsplit(averages.of("real", correct=True), 2)
        assert left.mean() > 0.95
        assert right.mean() < 0.05

    def test_a_contrast_needs_both_kinds(self):
        averages = PaintedAverages()
        averages.add(("real", True), np.ones((SIDE_PX, SIDE_PX)))
        assert not averages.contrast("real").any()

    def test_strokes_that_are_none_are_left_out(self):
        assert painted([annotation(1, [{"tool": "hammer"}])])[0] == {}


def annotation(decision_id: int, strokes: list, *, correct: bool = True):
    face = dict.fromkeys(("face_x", "face_y", "face_width", "face_height"))
    row = {"decision_id": decision_id, "strokes": strokes, "correct": correct, "label": "real"}
    return SimpleNamespace(**row, width=100, height=100, **face)


class TestDocumentation:
    @pytest.mark.parametrize("column", [*DECISION_FIELDS, *FIELDS])
    def test_every_column_is_explained(self, column):
        assert f"`{column}`" in (ROOT / "docs" / "statistics.md").read_text()
