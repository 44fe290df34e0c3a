"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

AnnotationsFile = Annotated[
    Path, typer.Argument(metavar="ANNOTATIONS.jsonl", help="One annotation per line.")
]
OutFolder = Annotated[
    Path, typer.Argument(metavar="OUT_DIR", help="Made, or replaced if it is an earlier build.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that share the work.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
