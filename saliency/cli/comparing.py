"""`compare`, `average` and `overlay`: maps that are there already."""

import json
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from saliency.cli import cli, options, stage_bar, user_errors
from saliency.files.writing import write_file
from saliency.folders.averaging import Face, average_map, read_faces
from saliency.folders.comparing import FolderComparison, compare_folders, first_few, write_measures
from saliency.folders.reading import MapFolderError, read_map
from saliency.images.decoder import read_pixels
from saliency.images.unusable import Unusable
from saliency.maps.pictures import Colours, Picture, colour
from saliency.maps.pictures import overlay as lay_over
from saliency.maps.png import encode_map_png


@cli.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A build: the reference.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another build.")],
    *,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write the measures of each image here.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare the maps of two builds image by image: nine measures, and what changed."""
    with user_errors():
        with stage_bar("images") as progress:
            compared = compare_folders(first, second, progress=progress)
        if table is not None:
            write_measures(table, compared)
    if as_json:
        typer.echo(json.dumps(_counts(compared) | {"means": compared.means}, indent=2))
        return
    typer.echo(f"{len(compared.measures)} images in both, {len(compared.same)} of them unchanged")
    for place, names in (("first", compared.only_first), ("second", compared.only_second)):
        if names:
            typer.echo(f"{len(names)} only in the {place}: {first_few(names)}")
    for name, old, new in compared.settings:
        typer.echo(f"{name}: {json.dumps(old)} in the first, {json.dumps(new)} in the second")
    if compared.most_changed:
        typer.echo(f"most changed: {first_few(compared.most_changed)}")
    for name, value in compared.means.items():
        typer.echo(f"{name:9} {value:.4f}")


def _counts(compared: FolderComparison) -> dict[str, object]:
    return {
        "images_in_both": len(compared.measures),
        "unchanged": len(compared.same),
        "only_in_first": list(compared.only_first),
        "only_in_second": list(compared.only_second),
        "parameters": {name: [old, new] for name, old, new in compared.settings},
        "most_changed": compared.most_changed[:10],
    }


@cli.command()
def average(
    build: Annotated[Path, typer.Argument(metavar="BUILD", help="A folder that `build` made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="16-bit greyscale, or colours if asked.")],
    *,
    images: Annotated[
        Path | None, typer.Option(help="CSV image_id[,x,y,w,h][,label][,source]; all maps if left out.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Only images of this label in the list.")] = None,
    source: Annotated[str | None, typer.Option(help="Only images of this source in the list.")] = None,
    size: Annotated[int, typer.Option(min=1, max=4096, help="Side of the result in pixels.")] = 224,
    colours: Annotated[Colours | None, typer.Option(help="Write a colour picture instead.")] = None,
) -> None:
    """Average the maps of a build after aligning them by their face boxes."""
    with user_errors():
        faces = _chosen(images, label, source)
        with stage_bar("maps") as progress:
            values, number = average_map(build, faces, size=size, progress=progress)
        write_file(out, encode_map_png(values) if colours is None else _png(colour(values, colours=colours)))
    typer.echo(f"average of {number} maps in {out}")


def _chosen(images: Path | None, label: str | None, source: str | None) -> dict[str, Face] | None:
    if images is None:
        if label is not None or source is not None:
            raise MapFolderError("--label and --source choose from a list: give one with --images")
        return None
    faces = read_faces(images)
    return {
        image_id: face
        for image_id, face in faces.items()
        if label in (None, face.label) and source in (None, face.source)
    }


@cli.command()
def overlay(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture.")],
    saliency_map: Annotated[Path, typer.Argument(metavar="MAP.png", help="Its saliency map.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture with the map over it.")],
    *,
    strength: Annotated[float, typer.Option(min=0, max=1, help="Colour at the most salient pixel.")] = 0.6,
    colours: Annotated[Colours, typer.Option(help="Colour map.")] = "turbo",
) -> None:
    """Lay a saliency map over its image."""
    with user_errors():
        picture = np.asarray(cv2.cvtColor(_pixels(image), cv2.COLOR_RGB2BGR), np.uint8)
        laid = lay_over(picture, read_map(saliency_map), strength=strength, colours=colours)
        write_file(out, _png(laid))
    typer.echo(f"overlay in {out}")


def _pixels(image: Path) -> Picture:
    try:
        return read_pixels(image)
    except Unusable as reason:
        raise MapFolderError(f"{image} {str(reason).removesuffix('.')}") from None


def _png(picture: Picture) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])
