"""Room for text in figures, in inches, so that names of any length neither collide nor are cut off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

FONT: Final = "DejaVu Sans"
WIDTH_IN: Final = 7.0
HIGHEST_IN: Final = 9.2  # of a figure on an A4 page with its title and caption
LINE_IN: Final = 0.165
HANDLE_IN: Final = 0.5  # the line beside a name in a key, with the gap to the next
RIGHT_IN: Final = 0.25


def width_in(text: str, points: float = 9, weight: str = "normal") -> float:
    """How wide a line of text is drawn; a little more, because pixels make letters wider."""
    return 1.08 * points / 72 * sum(_advance(letter, weight) for letter in text)


@cache
def _advance(letter: str, weight: str) -> float:
    """From one letter to the next, in heights of the font."""
    font = get_font(findfont(FontProperties(family=FONT, weight=weight)))
    font.set_size(100, 72)
    return float(font.load_char(ord(letter), LoadFlags.NO_HINTING).linearHoriAdvance) / 65536 / 100


def wrapped(text: str, room: float, *, lines: int = 2, points: float = 9, weight: str = "normal") -> str:
    """Text on so many lines of `room` inches at most; what does not fit ends with "…"."""
    whole = list(_lines(text, room, points, weight))
    if len(whole) <= lines:
        return "\n".join(whole)
    last = whole[lines - 1]
    while last and width_in(f"{last}…", points, weight) > room:
        last = last[:-1].rstrip()
    return "\n".join([*whole[: lines - 1], f"{last}…"])


def _lines(text: str, room: float, points: float, weight: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if width_in(longer, points, weight) <= room:
            line = longer
            continue
        if line:
            yield line
        *full, line = _pieces(word, room, points, weight)
        yield from full
    yield line


def _pieces(word: str, room: float, points: float, weight: str) -> list[str]:
    """A word that is wider than a line, cut where it has to be."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and width_in(pieces[-1] + letter, points, weight) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def widest(texts: Sequence[str], points: float = 9) -> float:
    """Of every line of some texts."""
    return max((width_in(line, points) for text in texts for line in text.split("\n")), default=0.0)


def most_lines(texts: Sequence[str]) -> int:
    return max((text.count("\n") + 1 for text in texts), default=1)


def margins(
    canvas: FigureBase, height: float, *, left: float, top: float, bottom: float, right: float = RIGHT_IN
) -> None:
    """Leave so many inches of a figure of this height beside its axes."""
    canvas.subplots_adjust(
        left=left / WIDTH_IN, right=1 - right / WIDTH_IN, top=1 - top / height, bottom=bottom / height
    )


@dataclass(frozen=True, slots=True)
class Key:
    """The names of arms above a figure, in as many columns as fit."""

    names: tuple[str, ...]
    columns: int
    height: float

    def draw(self, canvas: FigureBase, axes: Axes, left: float) -> None:
        handles, _ = axes.get_legend_handles_labels()
        canvas.legend(
            handles,
            self.names,
            loc="upper left",
            bbox_to_anchor=((left - 0.1) / WIDTH_IN, 1.0),
            ncols=self.columns,
            borderaxespad=0.1,
            labelspacing=0.3,
            columnspacing=1.2,
        )


def key(arms: Sequence[str], left: float) -> Key:
    """For arms in this order, each drawn once; `left` inches are left of the axes."""
    room = WIDTH_IN - left - RIGHT_IN
    names = [wrapped(arm, room - HANDLE_IN) for arm in arms]
    columns = max(1, min(len(names), int(room / (widest(names) + HANDLE_IN))))
    rows = [names[at :: -(-len(names) // columns)] for at in range(-(-len(names) // columns))]
    return Key(tuple(names), columns, 0.15 + sum(LINE_IN * most_lines(row) for row in rows))
