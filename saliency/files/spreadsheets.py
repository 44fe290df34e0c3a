"""Text in CSV files that people open with a spreadsheet program.

Such a program takes a cell for a formula that begins with one of a few signs, and a formula can send data
away or start a program. So an apostrophe is put before such a sign. It is put as well after a semicolon, a
tab or a line break inside a text, because a program that takes semicolons for separators starts a new cell
there. `original` gives the exact text back.
"""

import re
from typing import Final

SIGNS: Final = "=+@\t\r\n＝＋－＠-"
"""The last ones are the wide forms that some programs read as the narrow ones."""

_RISKY: Final = re.compile(rf"(^|[;\t\r\n])('*)(?=[{SIGNS}])")
_MARKED: Final = re.compile(rf"(^|[;\t\r\n])'('*)(?=[{SIGNS}])")


def cell(text: str) -> str:
    """Return a text as a cell that no program takes for a formula; most texts stay as they are."""
    return _RISKY.sub(r"\1'\2", text)


def original(cell: str) -> str:
    """Return the text that `cell` made a cell of, by taking away each apostrophe that it added."""
    return _MARKED.sub(r"\1\2", cell)
