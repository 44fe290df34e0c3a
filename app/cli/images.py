"""`cyborg images …`"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import remote
from app.errors import BadInput
from app.stimuli.face_search import FaceSearch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from accuracy.shortcuts.audit import ShortcutAudit
    from app.cli.remote import Remote
    from app.stimuli.face_boxes import FaceReport
    from app.stimuli.manifest import Item
    from app.stimuli.service import ImportReport, OnProgress, Remark

images = typer.Typer(help="Images of faces, real and fake.", no_args_is_help=True)
app.add_typer(images, name="images")


@images.command("import")
def import_command(
    path: Annotated[
        Path,
        typer.Argument(help="A CSV manifest, a folder with real/… and fake/<source>/…, or a ZIP of either."),
    ],
    size: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Crop to the centred square and scale to SIZE × SIZE."),
    ] = None,
    faces: Annotated[
        FaceSearch | None,
        typer.Option(
            help="find: find the face where no face box is given. "
            "align: also turn and frame each picture by its face, as FFHQ does; needs --size."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Import images; whatever cannot be used is named with its reason, and the rest goes on."""
    server = remote()
    report = _sent(server, path, size, faces) if server else _imported(path, size, faces)
    warnings = _warnings_of_files(server) if report.imported else []
    _print_json(report, warnings) if as_json else _print_lines(report, warnings)
    if not report.usable:
        raise BadInput(f"{path}: no image in it can be used.")


def _imported(path: Path, size: int | None, faces: FaceSearch | None) -> ImportReport:
    from app.stimuli.service import import_path

    with opened() as context, _shown("Importing") as on_progress:
        return import_path(
            context.sessions,
            context.blobs,
            path,
            size=size,
            faces=faces,
            on_progress=on_progress,
        )


def _sent(server: Remote, path: Path, size: int | None, faces: FaceSearch | None) -> ImportReport:
    """Every file sent to the server, one request each; what it refuses is named, and the rest goes on."""
    from app.stimuli.manifest import Refusal, opened_listing
    from app.stimuli.service import IgnoredValue, ImportReport, Remark

    with opened_listing(path) as listing, _progress() as progress:
        report = ImportReport(0, 0, listing.refused)
        for item in progress.track(listing.items, description="Sending"):
            try:
                answer = server.post(
                    "/api/images", data=_fields(item, size, faces), files={"file": _file(item)}
                ).json()
            except BadInput as refused:
                reason = str(refused).removeprefix(f"{item.name}: ")
                report += ImportReport(0, 0, (Refusal(item.name, reason),))
                continue
            ignored = tuple(IgnoredValue(item.name, **one) for one in answer["ignored"])
            remarks = tuple(Remark(item.name, one) for one in answer["remarks"])
            report += ImportReport(int(answer["imported"]), int(not answer["imported"]), (), ignored, remarks)
    return report


def _fields(item: Item, size: int | None, faces: FaceSearch | None) -> dict[str, str]:
    box = item.face
    given: dict[str, object] = {
        "name": item.name,
        "label": item.label,
        "source": item.source,
        "split": item.split,
    }
    given |= {"group": item.group, "size": size, "faces": faces}
    given |= {"x": box.x, "y": box.y, "w": box.width, "h": box.height} if box else {}
    return {name: str(value) for name, value in given.items() if value is not None}


def _file(item: Item) -> tuple[str, bytes]:
    return item.path.name, item.path.read_bytes()


def _warnings_of_files(server: Remote | None) -> list[str]:
    """What the audit of all imported files warns of; a worker looks at their pictures, too.

    A server is not waited for: `cyborg images audit` tells what its worker found.
    """
    from app.experiments.background_tasks import request_audit
    from app.stimuli.audit import audit_files

    if server:
        server.post("/api/images/audit")
        return []
    with opened() as context, context.sessions.begin() as session:
        found = audit_files(session)
        request_audit(session, None, staff_id=None)
    return found.warnings if found else []


@images.command("audit")
def audit_command(
    path: Annotated[
        Path | None,
        typer.Argument(help="A manifest, folder or ZIP to import, or a dataset folder; nothing is imported."),
    ] = None,
    study: Annotated[str | None, typer.Option(help="Or: the images that a study shows.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Or: those of a frozen dataset, by its number or hash.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find out whether labels can be told by what is not the face: files, colours, spectrum, background.

    Without anything said: all images that were imported.
    """
    from accuracy.shortcuts.audit import FEWEST

    if sum(one is not None for one in (path, study, dataset)) > 1:
        raise BadInput("Audit either files, or a study, or a dataset.")
    found = _audit_of_files(path) if path else _audit_of_stored(study, dataset)
    if found is None:
        raise BadInput(f"An audit needs at least {FEWEST} images of either label.")
    print(json.dumps(found.as_record())) if as_json else _print_audit(found)


def _audit_of_files(path: Path) -> ShortcutAudit | None:
    """Files on this machine; needs no database."""
    from app.stimuli.audit import audit_items
    from app.stimuli.manifest import opened_listing
    from training.data.audit import audit_dataset
    from training.data.dataset import load_dataset
    from training.errors import DatasetError

    if (path / "dataset.json").is_file():
        try:
            return audit_dataset(load_dataset(path))
        except DatasetError as error:
            raise BadInput(str(error)) from None
    with opened_listing(path) as listing, _shown("Auditing") as on_progress:
        return audit_items(listing.items, on_progress=on_progress)


def _audit_of_stored(study: str | None, dataset: str | None) -> ShortcutAudit | None:
    """Images of the platform."""
    from sqlalchemy import true

    from accuracy.shortcuts.audit import ShortcutAudit
    from app.cli.experiments import number_of_dataset
    from app.experiments.datasets import audit_of, find_dataset
    from app.stimuli.audit import audit_stored, shown_in
    from app.studies.service import find_study

    if server := remote():
        if dataset:
            record = server.get(f"/api/datasets/{number_of_dataset(server, dataset)}/audit").json()
        else:
            record = _audit_there(server, study)
        return ShortcutAudit.of_record(record) if record else None
    with opened() as context, context.sessions.begin() as session:
        if dataset:
            return audit_of(find_dataset(session, dataset))
        wanted = shown_in(find_study(session, study)) if study else true()
        with _shown("Auditing") as on_progress:
            return audit_stored(session, context.blobs, wanted, on_progress=on_progress)


def _audit_there(server: Remote, study: str | None) -> dict[str, Any] | None:
    """A worker of the server computes it, and this command waits for it."""
    query = {"study": study} if study else {}
    task = server.post("/api/images/audit", params=query).json()["task"]
    with _shown("Auditing") as on_progress:
        record: dict[str, Any] | None = server.finished(task, on_progress=on_progress)["audit"]
    return record


def _print_audit(found: ShortcutAudit) -> None:
    from accuracy.shortcuts.audit import HEADINGS

    table = Table(*HEADINGS)
    for row in found.rows:
        table.add_row(*map(escape, row))
    Console(soft_wrap=True).print(table)
    for line in found.remarks:
        print(line)


@images.command("faces")
def faces_command(
    again: Annotated[
        bool, typer.Option("--again", help="Search also where a face was found before; corrections stay.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the faces of the images that have no face box."""
    server = remote()
    report = _found_there(server, again=again) if server else _found_here(again=again)
    if as_json:
        print(json.dumps({"found": report.found, "remarks": _remarks(report.remarks)}))
        return
    for line in report.remarks:
        print(line)
    print(f"{report.found} faces found.")


def _found_there(server: Remote, *, again: bool) -> FaceReport:
    """The server searches a few images with each request."""
    from app.stimuli.face_boxes import FaceReport
    from app.stimuli.service import Remark

    found, remarks = 0, []
    after: int | None = 0
    with _progress() as progress:
        task = progress.add_task("Finding faces", total=None)
        while after is not None:
            answer = server.post("/api/images/faces", json={"after": after, "again": again}).json()
            after = answer["after"]
            found += int(answer["found"])
            remarks += [Remark(one["file"], one["remark"]) for one in answer["remarks"]]
            progress.update(task, completed=found)
    return FaceReport(found, tuple(remarks))


def _found_here(*, again: bool) -> FaceReport:
    from app.stimuli.face_boxes import find_faces

    with opened() as context, _shown("Finding faces") as on_progress:
        return find_faces(context.sessions, context.blobs, again=again, on_progress=on_progress)


@images.command("split")
def split_command(
    path: Annotated[Path | None, typer.Argument(help="A CSV file with the columns path,split.")] = None,
    val: Annotated[float, typer.Option(min=0, max=1, help="Or: fraction to set aside for validation.")] = 0,
    test: Annotated[float, typer.Option(min=0, max=1, help="Or: fraction to set aside for the test.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides which images are set aside.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Give images their splits, as long as no study shows them and no dataset holds them."""
    if (path is None) == (val + test == 0):
        raise BadInput("Give either a file with the columns path,split or fractions with --val and --test.")
    if val + test >= 1:
        raise BadInput("--val and --test together must leave something to train on.")
    fractions = {"val": val, "test": test, "seed": seed}
    server = remote()
    report = _split_there(server, path, fractions) if server else _split_here(path, fractions)
    if as_json:
        print(json.dumps(report))
        return
    for split, count in sorted(report["changed"].items()):
        print(f"{count} images have the split {split} now." if split else f"{count} have no split now.")
    if report["unchanged"] or not report["changed"]:
        print(f"{report['unchanged']} had their split already.")


def _split_there(server: Remote, path: Path | None, fractions: dict[str, Any]) -> dict[str, Any]:
    from app.stimuli.manifest import read_content

    sent = {"files": {"file": (str(path), read_content(path))}} if path else {"data": fractions}
    return dict(server.post("/api/images/splits", **sent).json())


def _split_here(path: Path | None, fractions: dict[str, Any]) -> dict[str, Any]:
    from app.stimuli.manifest import read_content
    from app.stimuli.setting_aside import deal_splits, set_splits

    with opened() as context, context.sessions.begin() as session:
        if path:
            report = set_splits(session, read_content(path), called=str(path))
        else:
            report = deal_splits(session, **fractions)
    return {"changed": dict(report.changed), "unchanged": report.unchanged}


@images.command("tag")
def tag_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names at import, or content hashes; or say which below.")
    ] = None,
    label: Annotated[str, typer.Option(help="All real or all fake images.")] = "",
    source: Annotated[str, typer.Option(help="All images of a source.")] = "",
    split: Annotated[str, typer.Option(help="All of a split: train, val, test or none.")] = "",
    tagged: Annotated[str, typer.Option(help="All images with this tag.")] = "",
    called: Annotated[str, typer.Option(help="All with this in their name, or hashes that begin so.")] = "",
    add: Annotated[list[str] | None, typer.Option(help="A tag to add; may be given again.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="A tag to remove; may be given again.")] = None,
) -> None:
    """Add tags to images and remove others, for all of them or none."""
    chosen = {"label": label, "source": source, "split": split, "tag": tagged, "name": called}
    chosen = {name: value for name, value in chosen.items() if value}
    if not (add or remove):
        raise BadInput("Say which tags with --add or --remove.")
    if bool(names) == bool(chosen):
        raise BadInput("Say which images: either by their names or with --label, --source and the like.")
    change = {"add": add or [], "remove": remove or []}
    if server := remote():
        named = {"names": names} if names else {}
        count = server.post("/api/images/tags", params=chosen, json=change | named).json()["images"]
    else:
        count = _tag_found(chosen, change) if chosen else _tag_named(names or [], change)
    print(f"{count} images are tagged.")


def _tag_found(chosen: dict[str, str], change: dict[str, list[str]]) -> int:
    from pydantic import ValidationError

    from app.dashboard.images.bulk import tag_all
    from app.dashboard.images.queries import ImageFilter

    try:
        wanted = ImageFilter.model_validate(chosen)
    except ValidationError as error:
        raise BadInput(f"--{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}.") from None
    with opened() as context, context.sessions.begin() as session:
        return tag_all(session, wanted, **change)


def _tag_named(names: list[str], change: dict[str, list[str]]) -> int:
    from app.stimuli.known import images_called
    from app.stimuli.tags import change_tags

    with opened() as context, context.sessions.begin() as session:
        for image in images_called(session, names):
            change_tags(image, **change)
    return len(names)


@images.command("remove")
def remove_command(
    names: Annotated[list[str], typer.Argument(help="Names at import, or content hashes.")],
) -> None:
    """Remove images that nothing uses: all of them, or none."""
    if server := remote():
        server.post("/api/images/remove", json={"names": names})
    else:
        _remove_here(names)
    print(f"{len(names)} images are removed.")


def _remove_here(names: list[str]) -> None:
    from app.stimuli.known import images_called
    from app.stimuli.setting_aside import remove_image

    with opened() as context, context.sessions.begin() as session:
        for image in images_called(session, names):
            remove_image(session, image)


@contextmanager
def _shown(what: str) -> Iterator[OnProgress]:
    """A bar that is told how many of how many are done."""
    with _progress() as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print_lines(report: ImportReport, warnings: Sequence[str]) -> None:
    for line in (*report.refused, *report.ignored, *report.remarks):
        print(line)
    if any(line.field == "split" for line in report.ignored):
        print("`cyborg images split` sets splits, as long as no dataset holds the images.")
    print(
        f"{report.imported} images imported, {report.already_there} already there, "
        f"{len(report.refused)} refused."
    )
    for line in warnings:
        print(f"Warning: {line}")


def _print_json(report: ImportReport, warnings: Sequence[str]) -> None:
    refused = [{"file": refusal.name, "reason": refusal.reason} for refusal in report.refused]
    counts = {"imported": report.imported, "already_there": report.already_there}
    ignored = [
        {"file": field.name, "field": field.field, "stored": field.stored, "given": field.given}
        for field in report.ignored
    ]
    remarks = _remarks(report.remarks)
    print(
        json.dumps(
            counts | {"refused": refused, "kept": ignored, "remarks": remarks, "warnings": list(warnings)}
        )
    )


def _remarks(remarks: Sequence[Remark]) -> list[dict[str, str]]:
    return [{"file": remark.name, "remark": remark.text} for remark in remarks]
