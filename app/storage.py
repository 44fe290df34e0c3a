"""Blobs named after their content, in a folder or an object store."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from app.errors import BadInput, StorageUnavailable
from saliency.files.writing import write_file

PATIENCE_S: Final = 60.0
"""For one read or write of a command or a worker, which has nobody waiting."""

WEB_PATIENCE_S: Final = 5.0
"""The same in a web process: a page asks again."""

FOLDER: Final = "file://"


class BlobStore:
    """`put` is idempotent: the same bytes have the same name, and a blob never changes.

    A store that does not answer within `patience_s`, or that refuses, is `StorageUnavailable`. One that
    this installation lacks a package for is `BadInput`, when it is first used.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self.url = url
        self.patience_s = patience_s
        self.trouble: dict[str, str] = {}
        """What ails reading and writing, as far as the last of each could tell."""

    def put(self, data: bytes) -> str:
        """Keep `data`; returns its SHA-256, which is its name."""
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        with self._telling("write"):
            if not self._do("exists", path):
                self._write(path, data)
        return name

    def get(self, name: str) -> bytes:
        """The bytes called `name`; FileNotFoundError when there are none."""
        with self._telling("read"):
            return bytes(self._do("cat_file", self._path(name)))

    def connect(self) -> None:
        """Load what this kind of store needs; nothing is asked of the store itself."""
        self._files  # noqa: B018 - made on first use

    @cached_property
    def _files(self) -> tuple[Any, str]:
        """A file system and the folder in it."""
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        if self.url.startswith(("/", FOLDER)):
            return LocalFileSystem(), self.url.removeprefix(FOLDER)
        # Its own patience is minutes.
        patience = {"connect_timeout": self.patience_s, "read_timeout": self.patience_s}
        options = {"config_kwargs": patience} if self.url.startswith("s3:") else {}
        try:
            file_system, root = fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError) as error:
            raise BadInput(f"CYBORG_STORAGE_URL: {error}") from None
        return file_system, root

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine, if it is."""
        files, root = self._files
        return Path(root) if "file" in files.protocol else None

    def _do(self, action: str, *arguments: Any) -> Any:
        """One call of the file system, given up after `patience_s` where that can be done."""
        files, _ = self._files
        if not files.async_impl:
            return getattr(files, action)(*arguments)
        from fsspec.asyn import sync

        return sync(files.loop, getattr(files, f"_{action}"), *arguments, timeout=self.patience_s)

    def _write(self, path: str, data: bytes) -> None:
        if self.folder is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_file(Path(path), data)
        else:
            self._do("pipe_file", path, data)  # an object store shows an object when it is whole

    def _path(self, name: str) -> str:
        return f"{self._files[1]}/{name[:2]}/{name}"

    @contextmanager
    def _telling(self, kind: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            if kind == "read":
                raise
            self._complain(kind, "it does not exist")
        except Exception as error:  # noqa: BLE001 - each kind of store has errors of its own
            self._complain(kind, _reason(error), error)
        self.trouble.pop(kind, None)

    def _complain(self, kind: str, reason: str, cause: Exception | None = None) -> None:
        self.trouble[kind] = reason
        raise StorageUnavailable(f"The file store cannot {kind} now ({reason}).") from cause


def _reason(error: Exception) -> str:
    """In a few words, without the address of anything."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__
