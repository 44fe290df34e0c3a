import numpy as np
import pytest

from training.errors import DatasetError
from training.evaluation.external_scores import (
    from_canonical_csv,
    read_scores,
    read_scores_file,
    to_canonical_csv,
)
from training.evaluation.score_table import ImageLabel

TRUTH = [
    ImageLabel("12", "real", "camera"),
    ImageLabel("13", "fake", "gan"),
    ImageLabel("14", "real", "camera"),
    ImageLabel("15", "fake", "gan"),
]
PLAIN = "image,score\n12,0.1\n13,0.9\n14,0.2\n15,0.8\n"


def read(text, **options):
    content = text.encode() if isinstance(text, str) else text
    return read_scores(content, TRUTH, called="cnn.csv", **options)


def scores(text, **options):
    (imported,) = read(text, **options)
    return imported.scores.ranking["score"].tolist()


class TestWhatIsRead:
    def test_a_detector_is_called_after_its_file(self):
        (imported,) = read(PLAIN)
        assert imported.name == "cnn"
        assert imported.scores.fake.tolist() == [False, True, False, True]

    def test_the_order_of_the_rows_makes_no_difference(self):
        head, *rows = PLAIN.splitlines()
        assert scores("\n".join([head, *rows[::-1]])) == scores(PLAIN)

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbf" + PLAIN.encode(),
            PLAIN.encode("utf-16"),
            PLAIN.replace("\n", "\r\n").encode(),
            PLAIN.replace(",", ";").encode(),
            PLAIN.replace(",", "\t").encode(),
            PLAIN.replace("\n", "\n\n").encode(),
        ],
    )
    def test_marks_encodings_and_separators_of_other_programs(self, content):
        assert scores(content) == [0.1, 0.9, 0.2, 0.8]

    @pytest.mark.parametrize(
        "content",
        [
            PLAIN.replace(",", ";").replace(".", ","),
            PLAIN.replace(",", "\t").replace(".", ","),
            PLAIN.partition("\n")[2].replace(",", ";").replace(".", ","),
        ],
    )
    def test_decimal_commas_where_commas_do_not_separate(self, content):
        assert scores(content) == [0.1, 0.9, 0.2, 0.8]

    @pytest.mark.parametrize(
        "header", ['image,score,"conf; raw; cal; x"', "image,score,a;b;c;d", '"image","score","p\tq\tr\ts"']
    )
    def test_the_separator_is_what_separates_the_named_columns(self, header):
        rows = PLAIN.partition("\n")[2].replace("\n", ",z\n")
        assert scores(f"{header}\n{rows}") == [0.1, 0.9, 0.2, 0.8]

    @pytest.mark.parametrize("inside", ["\x0b", "\x85", "\u2028"])
    def test_line_separators_of_unicode_split_no_row(self, inside):
        rows = PLAIN.replace("score", "score,note").replace("\n13", f",a{inside}b\n13", 1)
        rows = rows.replace("0.9\n", "0.9,\n").replace("0.2\n", "0.2,\n").replace("0.8\n", "0.8,\n")
        assert scores(rows.encode("utf-16")) == [0.1, 0.9, 0.2, 0.8]

    def test_a_path_means_the_image_of_its_file_name(self):
        paths = PLAIN.replace("12", "/data/x/12.png").replace("13", "C:\\x\\13.jpg").replace("image", "path")
        assert scores(paths) == [0.1, 0.9, 0.2, 0.8]

    def test_the_authors_file_without_a_header(self):
        assert scores(PLAIN.partition("\n")[2]) == [0.1, 0.9, 0.2, 0.8]

    def test_several_detectors_in_one_file(self):
        rows = [f"{name},{i},0.5" for name in ("b", "a") for i in (12, 13, 14, 15)]
        assert [one.name for one in read("detector,image,score\n" + "\n".join(rows))] == ["a", "b"]

    def test_images_of_other_splits_are_counted_and_left_out(self):
        (imported,) = read(PLAIN + "99,0.3\n", known=["99"])
        assert (imported.ignored, len(imported.scores)) == (1, 4)

    def test_scores_outside_0_and_1_rank_but_are_no_probabilities(self):
        (imported,) = read(PLAIN.replace("0.9", "7"))
        assert imported.scores.probability == {}

    def test_what_is_kept_reads_back_the_same(self):
        (imported,) = read(PLAIN.replace("0.9", "0.1234567890123456"))
        again = from_canonical_csv(to_canonical_csv(imported.scores).encode())
        np.testing.assert_array_equal(again.ranking["score"], imported.scores.ranking["score"])
        assert again.truth == imported.scores.truth


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "holds no scores"),
            ("image,score\n", "holds no scores"),
            ("picture,value\n1,2\n", "line 1: columns `image` and `score`"),
            ("image,score,score\n", "line 1: columns"),
            (PLAIN.replace("0.9", "nan"), "line 3: the score must be a finite number, not 'nan'"),
            (PLAIN.replace("0.9", "inf"), "line 3: the score"),
            (PLAIN.replace("0.9", "0,9"), "line 3: 2 fields are wanted, not 3"),
            (PLAIN.replace("0.9", '"0,9"'), "not '0,9'; decimal commas want semicolons between the columns"),
            (PLAIN.replace(",", ";").replace("0.9", "0,9"), "line 3: scores above have another decimal mark"),
            (PLAIN.replace(",", ";").replace("0.9", "1,234,567"), "line 3: scores above have another"),
            (PLAIN.replace("0.9", '"0.9'), "cnn.csv, line 5: unexpected end of data"),
            (PLAIN.replace("13,0.9", "13"), "line 3: 2 fields"),
            (PLAIN.replace("13", "77"), "line 3: there is no image '77' in the dataset"),
            (PLAIN.replace("13", "12"), "line 3: cnn has a score for image 12 already"),
            (PLAIN.replace("13,0.9\n", ""), "no score for 1 of the 4 test images: 13"),
            ("image,score,label\n12,0.1,fake\n", "line 2: image 12 is real, not fake"),
            ("image,score,label\n12,0.1,maybe\n", "line 2: the label must be real or fake"),
            (f"detector,image,score\n{'x' * 99},12,1\n", "line 2: a detector's name"),
        ],
    )
    def test_a_file_is_named_with_its_line(self, text, reason):
        with pytest.raises(DatasetError) as caught:
            read(text)
        assert "cnn.csv" in str(caught.value)
        assert reason in str(caught.value)

    def test_text_of_another_encoding_names_its_line(self):
        with pytest.raises(DatasetError, match="line 2: this is not UTF-8"):
            read(b"image,score\n\xe9,1\n")

    def test_a_picture_is_no_table(self):
        with pytest.raises(DatasetError, match=r"cnn\.csv"):
            read(b"\x89PNG\r\n\x1a\n\0\0")

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(DatasetError, match="cannot be read"):
            read_scores_file(tmp_path / "none.csv", TRUTH)

    def test_many_missing_images_are_counted_and_a_few_named(self):
        truth = [ImageLabel(str(i), "real", "camera") for i in range(9)]
        with pytest.raises(DatasetError, match="for 8 of the 9 test images: 1, 2, 3, …"):
            read_scores(b"image,score\n0,1\n", truth, called="x.csv")
