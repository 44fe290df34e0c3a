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

from accuracy.analyse import analyse
from accuracy.decisions.mapping import read_mapping
from accuracy.decisions.reading import read_decision_file, side_by_side
from accuracy.errors import DecisionsError
from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers every command
from tests.support import ROOT

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


# Answers on a scale from 1 (real) to 7 (fake) of which 4 says neither, and the truth in a second table.
SCALE = """
name = "On a scale"
design = "single"
[columns]
participant = "who"
item = "image"
choice = "scale"
answer = "synthetic"
source = "set"
position = "order"
decision_ms = "time"
[constants]
arm = "all"
[values.choice]
1 = "real"
4 = ""
7 = "fake"
[values.answer]
0 = "real"
1 = "fake"
[join]
file = "images.csv"
on = "image"
"""
ANSWERS = "\n".join(
    ["who;image;scale;order;time", "1;a;1;3;1000", "1;b;7;4;2000", "1;c;4;5;3000", "2;b;1;4;4000"]
)
IMAGES = "image;set;synthetic\na;camera;0\nb;gan;1\nc;gan;1\n"


@pytest.fixture
def read(tmp_path):
    def read_file(data: bytes | str, mapping: str = SINGLE, images: bytes | str = IMAGES):
        toml, file = tmp_path / "columns.toml", tmp_path / "decisions.csv"
        toml.write_text(mapping)
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        (tmp_path / "images.csv").write_bytes(images if isinstance(images, bytes) else images.encode())
        return read_decision_file(file, read_mapping(toml))

    return read_file


def accuracies(study) -> dict[str, tuple[int | None, int]]:
    found = analyse(study.decisions, name=study.name).of("arms", "accuracy")
    return {one.of: (one.correct, one.decisions) for one in found}


class TestGoodFiles:
    def test_blank_lines_are_skipped_and_accuracies_exact(self, read):
        study = read("\n,,,,,\n".join(ROWS) + "\n,,,,,\n")
        assert accuracies(study) == {"A": (3, 4), "B": (3, 4)}
        assert study.notes == ()

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
        study = read(text.encode(encoding), mapping)
        assert accuracies(study) == {"A": (3, 4), "B": (3, 4)}
        assert f"10{inside}x" in set(study.decisions.frame["item"])

    @pytest.mark.parametrize("mark", ["\ufeff", ""])
    def test_a_mapping_is_read_as_editors_save_it(self, read, mark):
        assert accuracies(read("\n".join(ROWS), mark + SINGLE)) == {"A": (3, 4), "B": (3, 4)}

    def test_a_line_in_another_encoding_is_read_and_named(self, read):
        data = "\n".join(ROWS).encode() + "\n5,10,1,ai,correct,Gr\u00fcn".encode("cp1252")
        study = read(data)
        assert "Grün" in study.decisions.arms
        assert study.notes == ("1 line of decisions.csv not in UTF-8, read as Windows-1252 (line 10).",)

    def test_the_truth_follows_from_choice_and_correctness(self, read):
        frame = read("\n".join(ROWS)).decisions.frame
        assert list(frame["answer"][:2]) == ["fake", "fake"]

    def test_correctness_follows_from_choice_and_truth(self, read):
        mapping = SINGLE.replace('correct = "correct"', 'answer = "truth"')
        study = read("who,group,image,choice,truth\n1,A,1,ai,fake\n1,A,2,real,fake\n", mapping)
        assert accuracies(study) == {"A": (1, 2)}

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
        study = read("\n".join([*ROWS, "5,10,1,ai,NA,B", ",10,1,ai,correct,B", "6,10,1,ai,,B"]))
        assert accuracies(study)["B"] == (3, 4)
        assert study.notes == (
            "2 lines left out, no value for correct (lines 10, 12).",
            "1 line left out, no value for participant (line 11).",
        )

    def test_many_such_lines_are_counted(self, read):
        study = read("\n".join([*ROWS, *["5,10,1,ai,NA,B"] * 20]))
        assert study.notes == (
            "20 lines left out, no value for correct (lines 10, 11, 12, 13, 14, 15, 16, 17 and 12 more).",
        )

    def test_a_value_that_nobody_needs_may_be_missing(self, read):
        study = read("\n".join([*ROWS, "5,10,1,NA,correct,B"]))
        assert accuracies(study)["B"] == (4, 5)

    def test_the_same_picture_twice_is_named_and_kept(self, read):
        study = read("\n".join([*ROWS, ROWS[1]]))
        assert study.notes == ("1 line with the same participant and picture once more, kept (line 10).",)


class TestMissing:
    def test_a_list_is_for_every_column(self, read):
        frame = read(ANSWERS, 'missing = ["4"]\n' + SCALE).decisions.frame
        assert frame["position"].isna().tolist() == [False, True, True]

    def test_a_table_is_for_the_columns_that_it_names(self, read):
        study = read(ANSWERS, SCALE + '[missing]\nchoice = ["7"]\n')
        assert study.decisions.frame["position"].tolist() == [3, 4]
        assert study.notes == ("2 lines left out, no value for choice (lines 3, 4).",)

    def test_what_the_values_leave_empty_is_left_out_with_its_number(self, read):
        study = read(ANSWERS, SCALE)
        assert accuracies(study) == {"all": (2, 3)}
        assert study.notes == ("1 line left out, no value for choice (line 4).",)

    def test_decisions_without_an_optional_value_are_counted(self, read):
        study = read(ANSWERS.replace("1;a;1;3;1000", "1;a;1;;NA"), SCALE)
        assert study.notes[:2] == (
            "1 line without a value for position (line 2).",
            "1 line without a value for decision_ms (line 2).",
        )
        assert len(study.decisions.frame) == 3

    def test_unknown_positions_are_no_part_of_a_visit(self, read):
        analysis = analyse(read(ANSWERS.replace("1;a;1;3;", "1;a;1;;"), SCALE).decisions, name="x")
        parts = {one.within for one in analysis.of("cells") if one.within.startswith("position")}
        assert parts == {"position=4"}

    def test_a_column_that_nobody_has_is_refused(self, read):
        with pytest.raises(DecisionsError, match="there is no column colour"):
            read(ANSWERS, SCALE + '[missing]\ncolour = ["4"]\n')


class TestJoin:
    def test_each_decision_gets_the_columns_of_its_row(self, read):
        frame = read(ANSWERS, SCALE).decisions.frame
        assert frame["source"].tolist() == ["camera", "gan", "gan"]
        assert frame["answer"].tolist() == ["real", "fake", "fake"]
        assert frame["correct"].tolist() == [1, 1, 0]

    def test_the_key_may_have_another_name_there_and_the_table_another_form(self, read):
        images = IMAGES.replace("image;", "id;").replace(";", ",").encode("utf-16")
        study = read(ANSWERS, SCALE + 'key = "id"\n', images)
        assert accuracies(study) == {"all": (2, 3)}

    def test_a_decision_without_a_row_is_left_out_and_counted(self, read):
        study = read(ANSWERS, SCALE, IMAGES.replace("b;gan;1\n", ""))
        assert accuracies(study) == {"all": (1, 1)}
        assert study.notes[0] == "2 lines without a row in images.csv (lines 3, 5)."

    def test_other_pictures_of_the_table_make_another_analysis(self, read):
        one, other = read(ANSWERS, SCALE), read(ANSWERS, SCALE, IMAGES.replace("camera", "phone"))
        assert one.inputs_hash != other.inputs_hash

    @pytest.mark.parametrize(
        ("mapping", "images", "complaint"),
        [
            (SCALE, IMAGES + "a;gan;1\n", "images.csv, line 5: image a has a row above"),
            (SCALE, IMAGES + "d;gan\n", "images.csv, line 5: 2 cells, but the header has 3"),
            (SCALE, "id;set;synthetic\n", "images.csv has no column image; its header is: id, set"),
            (SCALE, IMAGES.replace("set", "scale"), "with images.csv has more than one column scale"),
            (SCALE.replace("images.csv", "none.csv"), IMAGES, "none.csv cannot be read: No such file"),
            (SCALE.replace('on = "image"', 'on = "name"'), IMAGES, "decisions.csv has no column name"),
            (SCALE.replace('on = "image"', ""), IMAGES, "columns.toml: join.on: Field required"),
        ],
    )
    def test_what_cannot_be_joined_is_refused_with_its_place(self, read, mapping, images, complaint):
        with pytest.raises(DecisionsError) as refused:
            read(ANSWERS, mapping, images)
        assert complaint in str(refused.value)


class TestNumbers:
    def test_decimal_commas_are_declared(self, read):
        text = ANSWERS.replace("1000", "1000,5")
        frame = read(text, 'decimal = ","\n' + SCALE).decisions.frame
        assert frame["decision_ms"].tolist() == [1000.5, 2000, 4000]

    @pytest.mark.parametrize(("number", "decimal"), [("1000,5", "."), ("1.000", ","), ("1.000,5", ",")])
    def test_the_other_mark_is_refused_and_the_way_out_named(self, read, number, decimal):
        other = {".": ",", ",": "."}[decimal]
        with pytest.raises(
            DecisionsError, match=f'line 2: .* not a number from 0 on; say decimal = "{other}"'
        ):
            read(ANSWERS.replace("1000", number), f'decimal = "{decimal}"\n' + SCALE)

    def test_a_constant_has_a_point(self, read):
        mapping = SCALE.replace('decision_ms = "time"\n', "").replace('"all"', '"all"\ndecision_ms = 1.5')
        assert read(ANSWERS, f'decimal = ","\n{mapping}').decisions.frame["decision_ms"].iloc[0] == 1.5

    def test_one_mark_cannot_be_both(self, read):
        with pytest.raises(DecisionsError, match="delimiter and decimal cannot be the same"):
            read(ANSWERS, 'decimal = ","\ndelimiter = ","\n' + SCALE)


class TestSeparators:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_one_that_is_not_told_is_found(self, read, separator):
        assert accuracies(read("\n".join(ROWS).replace(",", separator))) == {"A": (3, 4), "B": (3, 4)}

    @pytest.mark.parametrize(("theirs", "named"), [(";", "Semicolons"), ("\t", "Tabs"), ("|", "Bars")])
    def test_a_wrong_one_is_refused_and_the_right_one_named(self, read, theirs, named):
        with pytest.raises(DecisionsError, match=f"has no column who; .*{named} separate its columns: say"):
            read("\n".join(ROWS).replace(",", theirs), 'delimiter = ","\n' + SINGLE)


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
        with pytest.raises(DecisionsError, match=r"decisions\.csv") as refused:
            read(data)
        assert complaint in str(refused.value)

    def test_numbers_are_checked(self, read):
        mapping = SINGLE.replace('item = "image"', 'item = "image"\ndecision_ms = "confidence"')
        with pytest.raises(
            DecisionsError, match="line 2: 'fast' in the column for decision_ms is not a number"
        ):
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
        with pytest.raises(DecisionsError, match=r"columns\.toml") as refused:
            read("\n".join(ROWS), mapping)
        assert complaint in str(refused.value)


class TestBeside:
    def test_people_of_different_files_are_different_people(self, read):
        one = read("\n".join(ROWS))
        both = side_by_side(one.decisions, [one])
        assert both.participants == 8
        assert both.arms == ["A", "B", "Earlier study: A", "Earlier study: B"]
        assert both.items == 6

    def test_pictures_are_the_same_where_the_mapping_says_so(self, read):
        one = read("\n".join(ROWS), "same_items = true\n" + SINGLE)
        assert side_by_side(one.decisions, [one]).items == 3


BRAY = os.environ.get("BRAY2023_CSV", "")
LAGO = os.environ.get("LAGO2022_DIR", "")
DOCUMENTATION = (ROOT / "docs" / "statistics.md").read_text()


def quoted(kind: str, authors: str = "Bray") -> str:
    """The block of a kind in the documentation of an earlier study."""
    return re.search(rf"```{kind}\n(.*?)```", DOCUMENTATION.partition(f"### {authors}")[2], re.S)[1]


class TestLagoMapping:
    """The documented mapping, on files of the published form that are made here."""

    @pytest.fixture
    def files(self, tmp_path):
        answers = ["s-0;im-1;2;6839;1", "s-0;im-2;7;4109;4", "s-0;im-3;4;3771;3", "s-1;im-2;-1;99;4"]
        (tmp_path / "ans.csv").write_text("subj_id;img_id;likert;resp_time;order\n" + "\n".join(answers))
        images = ["im-1;FFHQ;a.jpg;0", "im-2;StyleGAN;b.jpg;1", "im-3;StyleGAN;c.jpg;1"]
        (tmp_path / "img.csv").write_text("img_id;ds;path;synthetic\n" + "\n".join(images))
        (tmp_path / "lago.toml").write_text(quoted("toml", "Lago"))
        return tmp_path / "ans.csv", tmp_path / "lago.toml"

    def test_a_scale_becomes_choices_and_its_middle_none(self, files):
        answers, mapping = files
        study = read_decision_file(answers, read_mapping(mapping))
        told = ["source", "choice", "answer", "position", "decision_ms"]
        assert study.decisions.frame[told].to_numpy().tolist() == [
            ["FFHQ", "real", "real", 1, 6839],
            ["StyleGAN", "fake", "fake", 4, 4109],
        ]
        assert study.notes == ("2 lines left out, no value for choice (lines 4, 5).",)

    def test_the_command_prints_each_source_of_a_single_arm(self, files):
        answers, mapping = map(str, files)
        arguments = ["analyse", "--compare", answers, "--columns", mapping]
        printed = CliRunner().invoke(cli, arguments, env={"COLUMNS": "100"}).stdout
        assert re.findall(r"source: (\S+) .* (\d of \d)", printed) == [
            ("FFHQ", "1 of 1"),
            ("StyleGAN", "1 of 1"),
        ]


@pytest.mark.skipif(not LAGO, reason="LAGO2022_DIR does not name the folder of Lago et al. (2022)")
class TestLago:
    """The published judgements, counted here without a line of the analysis."""

    @pytest.fixture
    def counted(self):
        pictures = {row["img_id"]: row for row in self.rows("img.csv")}
        right: dict[str, list[bool]] = {}
        for row in self.rows("ans.csv"):
            if row["likert"] not in ("4", "-1"):
                picture = pictures[row["img_id"]]
                says_fake = int(row["likert"]) > 4
                right.setdefault(picture["ds"], []).append(says_fake == (picture["synthetic"] == "1"))
        return {source: (sum(all_), len(all_)) for source, all_ in right.items()}

    def rows(self, name):
        with (Path(LAGO) / name).open(newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))

    @pytest.fixture
    def mapping(self, tmp_path):
        (tmp_path / "lago.toml").write_text(quoted("toml", "Lago"))
        return tmp_path / "lago.toml"

    def test_every_source_has_the_published_share(self, counted, mapping):
        found = analyse(read_decision_file(Path(LAGO) / "ans.csv", read_mapping(mapping)).decisions, name="x")
        shares = {
            one.within.removeprefix("source="): one
            for one in found.of("cells", "accuracy")
            if one.within.startswith("source=")
        }
        assert {source: (one.correct, one.decisions) for source, one in shares.items()} == counted
        assert {source: round(one.value, 3) for source, one in shares.items()} == {
            "FFHQ": 0.563, "PGGAN": 0.808, "StyleGAN": 0.466, "StyleGAN2": 0.266, "Control": 0.876,
        }  # fmt: skip

    def test_the_command_prints_what_the_documentation_says(self, mapping):
        arguments = ["analyse", "--compare", str(Path(LAGO) / "ans.csv"), "--columns", str(mapping)]
        printed = CliRunner().invoke(cli, arguments, env={"COLUMNS": "100"}).stdout
        squeezed = [line.split() for line in printed.splitlines()]
        assert [line for line in quoted("text", "Lago").splitlines() if line.split() not in squeezed] == []


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
        found = analyse(read_decision_file(Path(BRAY), read_mapping(mapping)).decisions, name="x")
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

        found = analyse(read_decision_file(Path(BRAY), read_mapping(mapping)).decisions, name="x")
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
