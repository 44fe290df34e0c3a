"""`cyborg export`"""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import app, complaints
from app.cli.context import opened
from app.cli.remote import only_here, remote


@app.command("export")
def export(  # noqa: PLR0913 - each is an option of the command
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    out_dir: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    *,
    parquet: Annotated[bool, typer.Option("--parquet", help="All tables as Parquet, too.")] = False,
    masks: Annotated[bool, typer.Option("--masks", help="The mask of every annotation as PNG.")] = False,
    coco: Annotated[bool, typer.Option("--coco", help="The masks as COCO run lengths.")] = False,
    npy: Annotated[bool, typer.Option("--npy", help="Maps as NumPy arrays, too.")] = False,
    images: Annotated[bool, typer.Option("--images", help="The images themselves.")] = False,
    layout: Annotated[str, typer.Option(help="plain, psych-ds or imagefolder (of Hugging Face).")] = "plain",
    creator: Annotated[list[str] | None, typer.Option(help="Who is to be cited; repeatable.")] = None,
    license_: Annotated[str, typer.Option("--license", help="SPDX identifier or address.")] = "",
    url: Annotated[str, typer.Option(help="Where the dataset is published.")] = "",
) -> None:
    """Write everything a study collected into a folder: decisions, annotations, maps, data dictionary.

    The same data give the same files. `SHA256SUMS` has the sum of each, for `sha256sum --check`.
    """
    from app.db import snapshot
    from app.errors import BadInput
    from app.exports.contents import Contents, Layout
    from app.exports.service import export_study
    from app.studies.service import find_study

    if layout not in list(Layout):
        raise BadInput(f"There is no layout {layout!r}; there are {', '.join(Layout)}.")
    contents = Contents(
        parquet=parquet,
        masks=masks,
        coco=coco,
        npy=npy,
        images=images,
        layout=Layout(layout),
        creator=tuple(creator or ()),
        license=license_,
        url=url,
    )
    if server := remote():
        asked = contents.model_dump(mode="json", exclude_defaults=True)
        server.unzip(f"/api/studies/{study}/export.zip", out_dir, asked)
        print(f"Wrote {out_dir}; its README.md explains every column.")
        return
    with opened() as context, snapshot(context.sessions) as session, complaints.status("") as status:
        found = find_study(session, study)
        export_study(session, context.blobs, found, out_dir, contents=contents, on_file=status.update)
    print(f"Wrote {out_dir}; its README.md explains every column.")


@app.command("import")
@only_here("it fills an empty platform, before anybody works with it")
def import_(
    path: Annotated[Path, typer.Argument(metavar="EXPORT", help="Folder or ZIP, with images.")],
) -> None:
    """Read an export back into an empty platform: all of it, or nothing when anything is wrong.

    Checksums are compared first. Exported again, the study gives identical files. Worker ids, completion
    codes and pairs that nobody decided are in no export, so they do not come back.
    """
    from app.exports.importing import import_export
    from app.exports.opening import opened_export

    with (
        opened() as context,
        complaints.status("Checking every file …") as status,
        opened_export(path) as export,
        context.sessions.begin() as session,
    ):
        study = import_export(session, context.blobs, export, on_step=status.update)
    print(f"Imported the study {study.slug}.")
