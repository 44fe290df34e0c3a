"""Files of decisions that somebody else collected, with what such files do."""

import csv
import os
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from app.analysis.findings import analyse
from app.analysis.outside import beside, read_mapping, read_outside
from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers every command
from app.errors import BadInput

SINGLE = """
name = "Earlier study"
design = "single"
[columns]
participant = "who"
arm = "group"
item = "image"
choice = "choice"
correct = "correct"
[values.choice]
ai = "fake"
"""

# A blank line after every line, a mark of byte order, and answers in words: as published files have them.
ROWS = [
    "who,image,confidence,choice,correct,group",
    *["1,10,8,real,incorrect,A", "1,11,5,ai,correct,A", "2,10,5,ai,correct,A", "2,12,3,real,correct,A"],
    *["3,11,9,ai,correct,B", "3,12,2,ai,incorrect,B", "4,10,1,ai,correct,B", "4,12,0,real,correct,B"],
]


@pytest.fixture
def read(tmp_path):
    def read_file(data: bytes | str, mapping: str = SINGLE):
        toml, file = tmp_path / "columns.toml", tmp_path / "decisions.csv"
        toml.write_text(mapping)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return read_outside(file, read_mapping(toml))

    return read_file


def accuracies(outside) -> dict[str, tuple[int | None, int]]:
    found = analyse(outside.decisions, name=outside.name).of("arms", "accuracy")
    return {one.of: (one.correct, one.decisions) for one in found}


class TestGoodFiles:
    def test_blank_lines_are_skipped_and_accuracies_exact(self, read):
        outside = read("\n,,,,,\n".join(ROWS) + "\n,,,,,\n")
        assert accuracies(outside) == {"A": (3, 4), "B": (3, 4)}
        assert outside.notes == ()

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
    def test_encodings_with_or_without_a_mark_read_the_same(self, read, encoding):
        text = "\r\n".join(ROWS)
        mapping = SINGLE if encoding != "utf-16-le" else f'encoding = "utf-16-le"\n{SINGLE}'
        assert accuracies(read(text.encode(encoding), mapping)) == {"A": (3, 4), "B": (3, 4)}

    @pytest.mark.parametrize("inside", ["\x0b", "\x0c", "\x85"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
    def test_line_separators_of_unicode_split_no_row(self, read, encoding, inside):
        text = "\n".join(ROWS).replace("1,10,8", f"1,10{inside}x,8")
        mapping = f'encoding = "latin-1"\n{SINGLE}' if encoding == "latin-1" else SINGLE
        outside = read(text.encode(encoding), mapping)
        assert accuracies(outside) == {"A": (3, 4), "B": (3, 4)}
        assert f"10{inside}x" in set(outside.decisions.frame["item"])

    @pytest.mark.parametrize("mark", ["\ufeff", ""])
    def test_a_mapping_is_read_as_editors_save_it(self, read, mark):
        assert accuracies(read("\n".join(ROWS), mark + SINGLE)) == {"A": (3, 4), "B": (3, 4)}

    def test_a_line_in_another_encoding_is_read_and_named(self, read):
        data = "\n".join(ROWS).encode() + "\n5,10,1,ai,correct,Gr\u00fcn".encode("cp1252")
        outside = read(data)
        assert "Grün" in outside.decisions.arms
        assert outside.notes == ("Not UTF-8, read as Windows-1252: line 10.",)

    def test_the_truth_follows_from_choice_and_correctness(self, read):
        frame = read("\n".join(ROWS)).decisions.frame
        assert list(frame["answer"][:2]) == ["fake", "fake"]

    def test_correctness_follows_from_choice_and_truth(self, read):
        mapping = SINGLE.replace('correct = "correct"', 'answer = "truth"')
        outside = read("who,group,image,choice,truth\n1,A,1,ai,fake\n1,A,2,real,fake\n", mapping)
        assert accuracies(outside) == {"A": (1, 2)}

    def test_single_images_have_hits_and_false_alarms(self, read):
        found = analyse(read("\n".join(ROWS)).decisions, name="x").of(
            "arms", "hits", "false_alarms", "d_prime"
        )
        assert {one.measure for one in found} == {"hits", "false_alarms", "d_prime"}
        hits = next(one for one in found if one.of == "A" and one.measure == "hits")
        assert hits.value == pytest.approx(2 / 3)

    def test_constants_and_other_delimiters(self, read):
        mapping = SINGLE.replace('arm = "group"\n', "").replace(
            'design = "single"', 'design = "single"\ndelimiter = ";"'
        )
        text = "\n".join(ROWS).replace(",", ";")
        assert accuracies(read(text, mapping + '[constants]\narm = "all"\n')) == {"all": (6, 8)}


class TestIncompleteFiles:
    def test_a_line_without_a_needed_value_is_left_out_and_named(self, read):
        outside = read("\n".join([*ROWS, "5,10,1,ai,NA,B", ",10,1,ai,correct,B", "6,10,1,ai,,B"]))
        assert accuracies(outside)["B"] == (3, 4)
        assert outside.notes == (
            "Left out, no value for correct: lines 10, 12.",
            "Left out, no value for participant: line 11.",
        )

    def test_many_such_lines_are_counted(self, read):
        outside = read("\n".join([*ROWS, *["5,10,1,ai,NA,B"] * 20]))
        assert outside.notes == (
            "Left out, no value for correct: lines 10, 11, 12, 13, 14, 15, 16, 17 and 12 more.",
        )

    def test_a_value_that_nobody_needs_may_be_missing(self, read):
        outside = read("\n".join([*ROWS, "5,10,1,NA,correct,B"]))
        assert accuracies(outside)["B"] == (4, 5)

    def test_the_same_picture_twice_is_named_and_kept(self, read):
        outside = read("\n".join([*ROWS, ROWS[1]]))
        assert outside.notes == ("The same participant and picture once more, kept: line 10.",)


class TestBadFiles:
    @pytest.mark.parametrize(
        ("data", "complaint"),
        [
            ("", "has no column who; its header is: nothing"),
            ("who,image\n1,2\n", "has no column group; its header is: who, image"),
            ("who,who,image,choice,correct,group\n", "has more than one column who"),
            (ROWS[0] + "\n", "has no decision that can be used"),
            (ROWS[0] + "\n1,2,3\n", "line 2: 3 cells, but the header has 6"),
            (ROWS[0] + "\n\n1,2,3,ai,maybe,A\n", "line 3: 'maybe' in the column for correct is neither"),
            (ROWS[0] + "\n1,2,3,robot,correct,A\n", "line 2: 'robot' in the column for choice is not real"),
            (b"PK\x03\x04\n\x00\x00", "line 2: a NUL character; this is not a text file"),
            (ROWS[0] + '\n1,2,3,"ai,correct,A\n', "line 2: unexpected end of data"),
        ],
    )  # fmt: skip
    def test_they_are_refused_with_the_line(self, read, data, complaint):
        with pytest.raises(BadInput, match=r"decisions\.csv") as refused:
            read(data)
        assert complaint in str(refused.value)

    def test_numbers_are_checked(self, read):
        mapping = SINGLE.replace('item = "image"', 'item = "image"\ndecision_ms = "confidence"')
        with pytest.raises(BadInput, match="line 2: 'fast' in the column for decision_ms is not a number"):
            read(ROWS[0] + "\n1,2,fast,ai,correct,A\n", mapping)

    @pytest.mark.parametrize(
        ("mapping", "complaint"),
        [
            ("nonsense", "is not valid TOML"),
            (SINGLE.replace("single", "triple"), "design: Input should be '2afc' or 'single'"),
            (SINGLE.replace('arm = "group"\n', ""), "must say which column is arm"),
            (SINGLE.replace("item =", "colour ="), "there is no column colour"),
            ("speed = 3\n" + SINGLE, "speed: Extra inputs are not permitted"),
        ],
    )
    def test_so_are_mappings(self, read, mapping, complaint):
        with pytest.raises(BadInput, match=r"columns\.toml") as refused:
            read("\n".join(ROWS), mapping)
        assert complaint in str(refused.value)


class TestBeside:
    def test_people_of_different_files_are_different_people(self, read):
        one = read("\n".join(ROWS))
        both = beside(one.decisions, [one])
        assert both.participants == 8
        assert both.arms == ["A", "B", "Earlier study: A", "Earlier study: B"]
        assert both.items == 6

    def test_pictures_are_the_same_where_the_mapping_says_so(self, read):
        one = read("\n".join(ROWS), "same_items = true\n" + SINGLE)
        assert beside(one.decisions, [one]).items == 3


BRAY = os.environ.get("BRAY2023_CSV", "")
SECTION = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text().partition("### Bray")[2]


def quoted(kind: str) -> str:
    """The block of the documentation that is of a kind."""
    return re.search(rf"```{kind}\n(.*?)```", SECTION, re.S)[1]


class TestBrayMapping:
    def test_the_documented_mapping_is_one(self, tmp_path):
        (tmp_path / "bray.toml").write_text(quoted("toml"))
        assert read_mapping(tmp_path / "bray.toml").design == "single"

    def test_the_documented_differences_are_those_of_the_documented_accuracies(self):
        right = re.findall(r"^Accuracy +(\w) .* (\d+) of (\d+)$", quoted("text"), re.M)
        shares = {arm: 100 * int(correct) / int(all_) for arm, correct, all_ in right}
        told = dict(re.findall(r"^Difference +(\w − \w) +(\S+) points", quoted("text"), re.M))
        assert {of: float(value) for of, value in told.items()} == {
            f"{other} − {one}": pytest.approx(shares[other] - shares[one], abs=0.051)
            for one, other in combinations("ABCD", 2)
        }


@pytest.mark.skipif(not BRAY, reason="BRAY2023_CSV does not name the decisions of Bray et al. (2023)")
class TestBray:
    """The published decisions, counted and modelled here without a line of the analysis."""

    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls):
        with Path(BRAY).open(newline="") as file:
            return [row for row in csv.DictReader(file) if row["ppantID"]]

    @pytest.fixture
    def mapping(self, tmp_path):
        (tmp_path / "bray.toml").write_text(quoted("toml"))
        return tmp_path / "bray.toml"

    def test_the_command_prints_what_the_documentation_says(self, mapping):
        arguments = ["analyse", "--compare", BRAY, "--columns", str(mapping)]
        printed = CliRunner().invoke(cli, arguments, env={"COLUMNS": "80"}).stdout
        squeezed = [line.split() for line in printed.splitlines()]
        assert [line for line in quoted("text").splitlines() if line.split() not in squeezed] == []

    def test_accuracies_are_counts(self, rows, mapping):
        found = analyse(read_outside(Path(BRAY), read_mapping(mapping)).decisions, name="x")
        counted = {arm: [row["correct"] for row in rows if row["intervention"] == arm] for arm in "ABCD"}
        assert {one.of: (one.correct, one.decisions) for one in found.of("arms", "accuracy")} == {
            arm: (answers.count("correct"), len(answers)) for arm, answers in counted.items()
        }
        assert {arm: answers.count("correct") for arm, answers in counted.items()} == {
            "A": 859, "B": 787, "C": 1052, "D": 784,
        }  # fmt: skip
        for one in found.of("arms", "d_prime"):
            said = {kind: [row["choice"] == "ai" for row in rows if row["intervention"] == one.of
                           and ((row["choice"] == "ai") == (row["correct"] == "correct")) == (kind == "ai")]
                    for kind in ("ai", "real")}  # fmt: skip
            expected = stats.norm.ppf(np.mean(said["ai"])) - stats.norm.ppf(np.mean(said["real"]))
            assert one.value == pytest.approx(expected)

    def test_differences_have_the_intervals_of_statsmodels(self, rows, mapping):
        from statsmodels.regression.linear_model import OLS

        found = analyse(read_outside(Path(BRAY), read_mapping(mapping)).decisions, name="x")
        main = [one for one in found.of("difference", "difference") if one.method.startswith("clustered")]
        assert len(main) == 6
        for one in main:
            arm, _, against = one.of.partition(" − ")
            own = [row for row in rows if row["intervention"] in (arm, against)]
            groups = np.column_stack(
                [
                    np.unique([row[name] for row in own], return_inverse=True)[1]
                    for name in ("ppantID", "image")
                ]
            )
            columns = np.column_stack([np.ones(len(own)), [row["intervention"] == arm for row in own]])
            correct = np.array([row["correct"] == "correct" for row in own], dtype=float)
            fitted = OLS(correct, columns).fit(cov_type="cluster", cov_kwds={"groups": groups})
            assert one.value == pytest.approx(fitted.params[1])
            assert (one.high - one.low) / 2 == pytest.approx(1.97 * fitted.bse[1], rel=0.03)
