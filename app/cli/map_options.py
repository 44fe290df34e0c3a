"""The options of `cyborg maps build`: one for each parameter of a map."""

from typing import Annotated, Literal

import typer

COUNTED = "Which annotations count"
MERGED = "How they become a map"

Sigma = Annotated[
    float,
    typer.Option(help="Blur in pixels of the annotated image; 0 does not blur.", rich_help_panel=MERGED),
]
SigmaShare = Annotated[
    float | None,
    typer.Option(
        help="The same as a share of the image's shorter side, instead of --sigma.", rich_help_panel=MERGED
    ),
]
Include = Annotated[
    Literal["correct", "all"],
    typer.Option(help="Of correct decisions, or of all.", rich_help_panel=COUNTED),
]
Arms = Annotated[
    list[str] | None,
    typer.Option("--arm", metavar="NAME", help="Only this arm; may be repeated.", rich_help_panel=COUNTED),
]
Questions = Annotated[
    list[str] | None,
    typer.Option(
        "--question",
        metavar="real|fake",
        help="Only this question; may be repeated.",
        rich_help_panel=COUNTED,
    ),
]
WithoutFlags = Annotated[
    list[str] | None,
    typer.Option(
        "--without-flag",
        metavar="KIND",
        help="Not with this quality flag, or `any`; may be repeated.",
        rich_help_panel=COUNTED,
    ),
]
FirstAnnotators = Annotated[
    int | None,
    typer.Option(help="Only the first so many annotators of each image.", rich_help_panel=COUNTED),
]
DecidedFrom = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only decisions from then on, such as 2026-03-01T12:00+00:00.",
        rich_help_panel=COUNTED,
    ),
]
DecidedBefore = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only decisions before then.", rich_help_panel=COUNTED)
]
MinAnnotators = Annotated[
    int, typer.Option(help="Fewer than that on an image: no map.", rich_help_panel=COUNTED)
]
Weight = Annotated[
    Literal["equal", "accuracy", "fast", "slow"],
    typer.Option(
        help="Who counts more: nobody, the accurate, the fast, or the slow.", rich_help_panel=MERGED
    ),
]
Scale = Annotated[
    Literal["minmax", "peak"],
    typer.Option(help="How a map is brought into 0 … 1.", rich_help_panel=MERGED),
]
Granularity = Annotated[
    Literal["map", "area", "box", "boxes"],
    typer.Option(help="The map, its area, one box around that, or a box per region.", rich_help_panel=MERGED),
]
Threshold = Annotated[
    float, typer.Option(help="Where an area or a box begins in the scaled map.", rich_help_panel=MERGED)
]
