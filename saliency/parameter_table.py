"""The table of parameters in docs/saliency.md, which `make docs` writes anew."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from saliency.parameter_options import option_name
from saliency.parameters import DEFAULTS, DESCRIPTIONS

HEADER: Final = "| parameter | option | default | meaning |"


def table() -> str:
    """Return the table in Markdown, one row for each parameter."""
    return "\n".join([HEADER, "|---|---|---|---|", *_rows()])


def _rows() -> Iterator[str]:
    for name, said in DESCRIPTIONS.items():
        default = said.absent if DEFAULTS[name] in (None, ()) else f"`{DEFAULTS[name]}`"
        yield f"| `{name}` | `{option_name(name)}` | {default} | {said.meaning or said.help} |"


def renewed(page: str) -> str:
    """Return a page with its table of parameters written anew."""
    before, _, after = page.partition(HEADER)
    _, blank, after = after.partition("\n\n")
    return before + table() + blank + after


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text("utf-8")), "utf-8")
