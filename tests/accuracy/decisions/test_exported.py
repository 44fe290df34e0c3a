"""Files of decisions that the platform writes, read without a TOML."""

import json
from dataclasses import replace

import pytest

from accuracy.analyse import analyse
from accuracy.decisions.exported import EXPORT_COLUMNS, read_decisions
from accuracy.errors import DecisionsError
from accuracy.reporting.tidy import decisions_csv
from tests.accuracy.findings.test_findings import table

HEADER = [*EXPORT_COLUMNS.values(), "simulated", "annotate", "counts"]


def line(person: str, position: int, **cells: str) -> dict[str, str]:
    """A row of an export: a correct decision of a main trial."""
    row = {
        "participant": person,
        "arm": "control",
        "correct": "true",
        "pair_id": str(position),
        "fake_source": "gan",
        "question": "fake",
        "choice": "left",
        "position": str(position),
        "decision_ms": "900",
        "annotation_ms": "",
        "simulated": "false",
        "annotate": "false",
        "counts": "true",
    }
    return row | cells


@pytest.fixture
def read(tmp_path):
    def read_lines(*lines: dict[str, str], simulated: bool = False):
        path = tmp_path / "decisions.csv"
        path.write_text(
            "\n".join([",".join(HEADER), *(",".join(row[name] for name in HEADER) for row in lines)])
        )
        return read_decisions(path, None, simulated=simulated)

    return read_lines


class TestExport:
    def test_trials_that_do_not_count_are_left_out_and_the_others_numbered(self, read):
        practice = line("p", 1, counts="false")
        check = line("p", 3, counts="false", pair_id="", fake_source="", question="")
        frame = read(practice, line("p", 2), check, line("p", 4)).decisions.frame
        assert frame["item"].tolist() == ["2", "4"]
        assert frame["position"].tolist() == [1, 2]

    def test_the_answer_follows_from_the_choice(self, read):
        frame = read(line("p", 1), line("p", 2, correct="false")).decisions.frame
        assert frame["answer"].tolist() == ["left", "right"]
        assert frame["correct"].tolist() == [1, 0]

    def test_arms_that_paint_are_known(self, read):
        painted = line("q", 1, arm="paint", annotate="true", annotation_ms="4000")
        assert read(line("p", 1), painted).decisions.paints == {"paint"}

    def test_an_empty_cell_is_nothing_to_note(self, read):
        assert read(line("p", 1)).notes == ()

    def test_people_are_not_mixed_with_programs(self, read):
        file = read(line("p", 1), line("robot", 1, simulated="true"))
        assert (file.decisions.frame["participant"].tolist(), file.simulated) == (["p"], False)
        assert file.notes == ("1 decisions of programs are left out.",)

    def test_programs_can_be_asked_for(self, read):
        file = read(line("p", 1), line("robot", 1, simulated="true"), simulated=True)
        assert (file.decisions.frame["participant"].tolist(), file.simulated) == (["robot"], True)

    def test_programs_alone_are_programs(self, read):
        assert read(line("robot", 1, simulated="true")).simulated

    def test_its_study_gives_the_name(self, read, tmp_path):
        assert read(line("p", 1)).name == "decisions"
        (tmp_path / "study.json").write_text(json.dumps({"title": "Faces"}))
        assert read(line("p", 1)).name == "Faces"

    def test_apostrophes_for_spreadsheets_are_removed(self, read):
        file = read(line("p", 1, arm="'=control", annotate="true"))
        assert (file.decisions.arms, file.decisions.paints) == (["=control"], {"=control"})


class TestTableOfAnAnalysis:
    def test_it_gives_the_same_estimates_again(self, tmp_path):
        decisions = table()
        path = tmp_path / "decisions.csv"
        path.write_text(decisions_csv(decisions))
        file = read_decisions(path, None)
        assert file.decisions.paints == decisions.paints
        once, again = (set(analyse(each, name="x").estimates) for each in (decisions, file.decisions))
        assert once == again

    def test_choices_of_labels_are_single_images(self, tmp_path):
        decisions = table()
        labels = {"left": "real", "right": "fake"}
        frame = decisions.frame.assign(**{c: decisions.frame[c].map(labels) for c in ("choice", "answer")})
        (tmp_path / "d.csv").write_text(decisions_csv(replace(decisions, frame=frame)))
        assert read_decisions(tmp_path / "d.csv", None).decisions.design == "single"


class TestOtherFiles:
    @pytest.mark.parametrize("text", ["who,right\n1,true\n", "", ",".join(HEADER) + "\n"])
    def test_they_need_a_toml(self, tmp_path, text):
        (tmp_path / "d.csv").write_text(text)
        with pytest.raises(
            DecisionsError, match=r"d\.csv is not a file of decisions that Cyborg wrote, or it"
        ):
            read_decisions(tmp_path / "d.csv", None)

    def test_an_export_in_which_nothing_counts_has_no_decision(self, read):
        with pytest.raises(DecisionsError, match="has no decision that can be used"):
            read(line("p", 1, counts="false"))
