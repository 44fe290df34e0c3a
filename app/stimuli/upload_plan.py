"""What an upload of many files would import, said before anything is stored."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.models import Label
from app.stimuli.manifest import Item, Refusal, located, only_manifest, parse_manifest, unnamed
from app.stimuli.names import FinderAmong, plain


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to send: its place among the chosen ones, from 0, and what it is."""

    number: int
    item: Item


@dataclass(frozen=True, slots=True)
class UploadPlan:
    files: tuple[PlannedFile, ...] = ()
    left_out: tuple[Refusal, ...] = ()
    """Chosen files that are not imported."""
    manifest: str | None = None
    faults: tuple[str, ...] = ()
    """Of the manifest; with one, nothing is imported."""
    missing: tuple[str, ...] = ()
    """Lines of the manifest whose file was not chosen."""


def plan_upload(
    names: Sequence[str],
    read: Callable[[int], bytes],
    *,
    label: Label | None,
    source: str,
) -> UploadPlan:
    """What becomes of files by the rules of an import on the command line.

    The only CSV file at the top is the manifest; without one, folders `real/…` and `fake/<source>/…` anywhere
    in a name say what a file is.

    names : of the chosen files, relative to what was chosen
    read : the content of the file with this number, from 0
    label, source : hold for files of which neither manifest nor folders say it
    """
    names = [plain(name) for name in names]
    manifest = only_manifest(name for name in names if "/" not in name)
    if manifest is None:
        return _by_folders(names, label, source)
    return _by_manifest(names, manifest, read(names.index(manifest)))


def _by_manifest(names: Sequence[str], manifest: str, content: bytes) -> UploadPlan:
    items, faults = parse_manifest(content, name=manifest, finder=FinderAmong(names))
    numbers = {Path(name): number for number, name in enumerate(names)}
    times = Counter(map(Path, names))
    twice = [item for item in items if times[item.path] > 1]
    faults += [f"{item.where}: {item.name} was chosen {times[item.path]} times." for item in twice]
    if faults:
        return UploadPlan(manifest=manifest, faults=tuple(faults))
    named = {numbers[item.path] for item in items if item.path in numbers} | {names.index(manifest)}
    others = [name for number, name in enumerate(names) if number not in named]
    lost = [item for item in items if item.path not in numbers]
    return UploadPlan(
        files=tuple(PlannedFile(numbers[one.path], one) for one in items if one.path in numbers),
        left_out=tuple(unnamed(name, manifest) for name in others),
        manifest=manifest,
        missing=tuple(f"{item.where}: {item.name} is not among the chosen files." for item in lost),
    )


def _by_folders(names: Sequence[str], label: Label | None, source: str) -> UploadPlan:
    entries = [_by_folder(name, label, source) for name in names]
    return UploadPlan(
        files=tuple(PlannedFile(n, entry) for n, entry in enumerate(entries) if isinstance(entry, Item)),
        left_out=tuple(entry for entry in entries if isinstance(entry, Refusal)),
    )


def _by_folder(name: str, label: Label | None, source: str) -> Item | Refusal:
    parts = name.split("/")
    at = next((number for number, part in enumerate(parts[:-1]) if part in set(Label)), None)
    if at is None and name.lower().endswith(".csv"):
        return Refusal(name, "is no image, and no manifest: that is the only CSV file at the top.")
    if at is None and label is None:
        return Refusal(name, "lies neither in real/ nor in fake/<source>/: say in the form what it is.")
    return located(Path(name), "/".join(parts[at or 0 :]), label=label, source=source)
