"""Names of files as several systems write them: slashes both ways, two forms of Unicode, capitals."""

import unicodedata
from collections import defaultdict
from pathlib import Path


def plain(name: str) -> str:
    """A name with slashes, each accented letter as one character: as names are stored and compared."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


class Finder:
    """Finds the files that a list names, seen from its folder; each folder is listed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def find(self, name: str) -> Path:
        """The file of that name.

        The name as it is written comes first. Otherwise every part of it may differ from what is there in the
        direction of slashes, in the form of Unicode (macOS takes letters apart) and in capitals, as long as
        one file is meant. Without any, this is the path at which the file should be.
        """
        if (given := self._folder / name).exists():
            return given
        found = Path("/") if plain(name).startswith("/") else self._folder
        for part in filter(None, plain(name).split("/")):
            found = self._child(found, part)
        return found

    def _child(self, folder: Path, part: str) -> Path:
        if part in {".", ".."} or (folder / part).exists():
            return folder / part
        alike = self._names(folder).get(_key(part), [])
        return folder / (alike[0] if len(alike) == 1 else part)

    def _names(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listed:
            names: dict[str, list[str]] = defaultdict(list)
            for path in folder.iterdir() if folder.is_dir() else ():
                names[_key(path.name)].append(path.name)
            self._listed[folder] = names
        return self._listed[folder]


def _key(name: str) -> str:
    """What a name has in common with other ways to write it."""
    return plain(plain(name).casefold())
