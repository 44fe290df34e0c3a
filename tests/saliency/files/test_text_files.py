"""Text files as spreadsheets and editors write them."""

import pytest

from saliency.files.text import (
    TextFileError,
    csv_rows,
    decode_text,
    header_of,
    parse_toml,
    read_csv,
    read_text,
    read_toml,
    separator_of,
)

# What str.splitlines takes for the end of a line, and CSV does not.
IN_LATIN_1 = ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"]
BEYOND = ["\u2028", "\u2029"]


def rows(text, **options):
    return list(csv_rows(text, name="x.csv", **options))


class TestLineEnds:
    @pytest.mark.parametrize(
        ("encoding", "told"),
        [("utf-8", None), ("utf-8-sig", None), ("utf-16", None), ("utf-16-be", "utf-16-be")],
    )
    @pytest.mark.parametrize("inside", [*IN_LATIN_1, *BEYOND])
    def test_other_separators_are_characters_of_a_cell(self, inside, encoding, told):
        content = f"a,b\r\nx{inside}y,2\r\n".encode(encoding)
        read = rows(decode_text(content, name="x", encoding=told))
        assert read == [(1, ["a", "b"]), (2, [f"x{inside}y", "2"])]

    @pytest.mark.parametrize("inside", IN_LATIN_1)
    def test_in_encodings_of_one_byte_too(self, inside):
        content = f"a\r\nx{inside}y\r\n".encode("latin-1")
        assert rows(decode_text(content, name="x", encoding="latin-1"))[1:] == [(2, [f"x{inside}y"])]

    @pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
    def test_the_three_line_ends_make_the_same_rows(self, end):
        assert rows(f"a,b{end}1,2{end}{end},{end}3,4") == [(1, ["a", "b"]), (2, ["1", "2"]), (5, ["3", "4"])]

    def test_a_line_end_in_quotes_belongs_to_the_cell_and_is_counted(self):
        assert rows('a\n"x\r\ny"\nz\n') == [(1, ["a"]), (3, ["x\r\ny"]), (4, ["z"])]


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_a_mark_is_no_part_of_the_text(self, encoding):
        assert decode_text("Zoë".encode(encoding), name="x") == "Zoë"

    def test_one_that_is_named_wins(self):
        assert decode_text(b"Zo\xeb", name="x", encoding="latin-1") == "Zoë"

    @pytest.mark.parametrize(
        ("content", "encoding", "complaint"),
        [
            (b"a\nb\n\xe9", None, "x, line 3: this is not UTF-8 text; save the file as UTF-8."),
            ("a\n".encode("utf-16") + b"\x00", None, "x, line 2: this is not UTF-16 text"),
            (b"a\n\xe9", "ascii", "x, line 2: this is not ASCII text."),
            (b"a", "klingon", "x: there is no encoding called klingon."),
            (b"a\n\0", None, "x, line 2: a NUL character; this is not a text file."),
        ],
    )
    def test_what_is_no_text_is_named_with_its_line(self, content, encoding, complaint):
        with pytest.raises(TextFileError) as refused:
            decode_text(content, name="x", encoding=encoding)
        assert complaint in str(refused.value)

    def test_a_file_that_is_not_there_is_one_sentence(self, tmp_path):
        with pytest.raises(TextFileError, match=r"none\.csv cannot be read: No such file or directory\.$"):
            read_text(tmp_path / "none.csv")


class TestSeparator:
    @pytest.mark.parametrize(
        ("text", "separator"),
        [
            ("image,score\n1,2", ","),
            ("image;score\n1;0,5", ";"),
            ("image\tscore\n", "\t"),
            ("image|score\n", "|"),
            ('image,score,"conf; raw; cal; x"\n', ","),
            ('"image";"a, b, c"\n', ";"),
            ("image,score,a;b;c;d\n", ","),
            ("a.png;0,5\n", ";"),
            ("a.png,0.5\n", ","),
        ],
    )
    def test_it_is_what_separates_outside_of_quotes(self, text, separator):
        assert separator_of(text, known={"image", "score"}) == separator

    @pytest.mark.parametrize("text", ["", '"a,b', "\n\n"])
    def test_a_text_without_a_header_is_no_reason_to_fail(self, text):
        assert header_of(text, separator_of(text)) == []


class TestTable:
    def test_rows_come_by_the_names_of_their_columns(self, table):
        assert table("image;note\n1;x,y\n") == [("line 2", {"image": "1", "note": "x,y"})]

    def test_cells_come_without_spaces_around_them(self, table):
        assert table(" image , note\n 1 ,\n") == [("line 2", {"image": "1", "note": ""})]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "t.csv: the header has no image."),
            ("a,b\n", "t.csv: the header has no image."),
            ("image,a,a\n", "t.csv: the header has a twice."),
            ("image,a\n1\n", "t.csv, line 2: 1 cells, but the header has 2."),
            ('image,a\n1,"2\n', "t.csv, line 2: unexpected end of data."),
        ],
    )
    def test_what_is_no_table_is_named_with_its_line(self, table, text, complaint):
        with pytest.raises(TextFileError) as refused:
            table(text)
        assert complaint in str(refused.value)


class TestToml:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_a_file_with_a_mark_is_read_as_without(self, tmp_path, encoding):
        (tmp_path / "x.toml").write_bytes('name = "Zoë"\r\n'.encode(encoding))
        assert read_toml(tmp_path / "x.toml") == {"name": "Zoë"}

    def test_so_is_a_pasted_text(self):
        assert parse_toml("\ufeffa = 1", name="The recipe") == {"a": 1}

    def test_what_is_no_toml_is_named_with_its_place(self):
        with pytest.raises(TextFileError, match=r"The recipe is not valid TOML: .*line 2"):
            parse_toml("a = 1\nb = \n", name="The recipe")


@pytest.fixture
def table(tmp_path):
    def read(text: str):
        (tmp_path / "t.csv").write_text(text, newline="")
        found = read_csv(tmp_path / "t.csv", required=["image"], known=["note"])
        return [(where.rpartition(", ")[2], row) for where, row in found]

    return read
