"""Names of files that differ between systems in slashes, in the form of Unicode, and in capitals."""

import os.path
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def plain(name: str) -> str:
    """The form in which names are stored and compared: forward slashes, accented letters as one character."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


class Finder:
    """Finds files by names relative to a folder; the content of each folder is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> Path:
        """The path of a file, whether or not it exists.

        A file of exactly this name comes first. Otherwise each part of the name may differ from a file's in
        slashes, in the form of Unicode (macOS decomposes letters) and in capitals, if only one file fits.
        """
        if self._exists(path := self._folder / name):
            return path
        path = Path("/") if plain(name).startswith("/") else self._folder
        for part in filter(None, plain(name).split("/")):
            path = self._child(path, part)
        return path

    def _child(self, folder: Path, part: str) -> Path:
        if part in {".", ".."} or self._exists(folder / part):
            return folder / part
        candidates = self._names(folder).get(_key(part), [])
        return folder / (candidates[0] if len(candidates) == 1 else part)

    def _names(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            names: dict[str, list[str]] = defaultdict(list)
            for name in self._inside(folder):
                names[_key(name)].append(name)
            self._listed[folder] = names
        return self._listed[folder]

    def _exists(self, path: Path) -> bool:
        return path.exists()

    def _inside(self, folder: Path) -> Iterable[str]:
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []


class FinderAmong(Finder):
    """Finds files among those whose names alone are known, such as the ones of a browser."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(Path())
        self._tree: dict[Path, set[str]] = defaultdict(set)
        for path in map(Path, names):
            while path != (folder := path.parent) and path.name not in self._tree[folder]:
                self._tree[folder].add(path.name)
                path = folder  # noqa: PLW2901 - up, until a folder is known with all above it

    def find(self, name: str) -> Path:
        return _straight(super().find(name))

    def _exists(self, path: Path) -> bool:
        path = _straight(path)
        return path.name in self._tree.get(path.parent, ())

    def _inside(self, folder: Path) -> Iterable[str]:
        return self._tree.get(_straight(folder), ())


def _straight(path: Path) -> Path:
    """Without `..` where a folder comes before it."""
    return Path(os.path.normpath(path))


def _key(name: str) -> str:
    """A key that is equal for all spellings of a name."""
    return plain(plain(name).casefold())
