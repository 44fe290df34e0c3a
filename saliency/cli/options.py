"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from saliency.parameters import Granularity, Include, Scale, Weight

AnnotationsFile = Annotated[
    Path, typer.Argument(metavar="ANNOTATIONS.jsonl", help="One annotation per line.")
]
OutFolder = Annotated[
    Path, typer.Argument(metavar="OUT_DIR", help="Made, or replaced if it is an earlier build.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that share the work.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Sigma = Annotated[float, typer.Option(help="Standard deviation of the blur in image pixels.")]
SigmaShare = Annotated[
    float | None, typer.Option(help="The same as a share of the image's shorter side, instead of --sigma.")
]
Included = Annotated[Include, typer.Option(help="Annotations of correct decisions, or all.")]
Arms = Annotated[
    list[str] | None, typer.Option("--arm", metavar="NAME", help="Only this arm; may be repeated.")
]
Questions = Annotated[
    list[str] | None, typer.Option("--question", metavar="NAME", help="Only this question; may be repeated.")
]
WithoutFlags = Annotated[
    list[str] | None,
    typer.Option("--without-flag", metavar="KIND", help="Not with this quality flag, or `any`; repeatable."),
]
FirstAnnotators = Annotated[int | None, typer.Option(help="Only the first so many of each image.")]
DecidedFrom = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only decisions from then on; ISO 8601 with a time zone.")
]
DecidedBefore = Annotated[str | None, typer.Option(metavar="TIME", help="Only decisions before then.")]
Weighted = Annotated[
    Weight, typer.Option(help="Who counts more: nobody, the accurate, the fast, or the slow.")
]
MinAnnotators = Annotated[int, typer.Option(help="Fewer than this: no map.")]
Scaled = Annotated[Scale, typer.Option(help="Minimum and maximum to 0 and 1, or the peak to 1.")]
Grain = Annotated[
    Granularity,
    typer.Option("--granularity", help="The map, its area, one box around that, or a box per region."),
]
Threshold = Annotated[float, typer.Option(help="Where an area or a box begins in the scaled map.")]
