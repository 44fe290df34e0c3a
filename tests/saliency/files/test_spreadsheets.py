import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saliency.files.spreadsheets import SIGNS, cell, original

TEXTS = st.text(st.sampled_from([*SIGNS, "'", ";", ",", '"', "a", "1", " "]))


class TestCell:
    @pytest.mark.parametrize(
        ("text", "written"),
        [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t'=1"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("fine;=1", "fine;'=1"),
            ("fine\n=1", "fine\n'=1"),
            ("", ""),
            ("plain, and 1 = 1", "plain, and 1 = 1"),
            ("'quoted'", "'quoted'"),
            ("40+", "40+"),
        ],
    )
    def test_it_begins_no_formula(self, text, written):
        assert cell(text) == written

    @given(TEXTS)
    def test_nothing_is_lost(self, text):
        assert original(cell(text)) == text

    @given(TEXTS)
    def test_no_part_of_it_begins_with_a_sign_wherever_a_program_splits(self, text):
        parts = re.split(r"[;\t\r\n]", cell(text))
        assert not any(part.startswith(tuple("=+-@＝＋－＠")) for part in parts)
