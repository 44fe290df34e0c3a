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

TIMEOUT_S: Final = 60.0
"""For one read or write by a command or a worker, for which no page waits."""

WEB_TIMEOUT_S: Final = 5.0
"""For one read or write in a web process: a page asks again."""

FOLDER: Final = "file://"


class BlobStore:
    """Blobs by the SHA-256 of their bytes: `put` is idempotent, and a blob never changes.

    `StorageUnavailable`: the store does not answer within `timeout_s`, or refuses
    `BadInput`: this installation lacks the package for this kind of store; raised at the first use
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self.problems: dict[str, str] = {}
        """Why the last read and the last write failed, by "read" and "write"; empty if neither did."""

    def put(self, data: bytes) -> str:
        """Store `data`; returns its name, the SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        with self._noting_problems("write"):
            if not self._do("exists", path):
                self._write(path, data)
        return name

    def get(self, name: str) -> bytes:
        """The bytes called `name`; FileNotFoundError when there are none."""
        with self._noting_problems("read"):
            return bytes(self._do("cat_file", self._path(name)))

    def connect(self) -> None:
        """Load the package for this kind of store; the store itself is not asked."""
        self._files  # noqa: B018 - made on first use

    @cached_property
    def _files(self) -> tuple[Any, str]:
        """A file system and the folder in it."""
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        if self.url.startswith(("/", FOLDER)):
            return LocalFileSystem(), self.url.removeprefix(FOLDER)
        # botocore's own timeouts are minutes.
        timeouts = {"connect_timeout": self.timeout_s, "read_timeout": self.timeout_s}
        options = {"config_kwargs": timeouts} if self.url.startswith("s3:") else {}
        try:
            file_system, root = fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError) as error:
            raise BadInput(f"CYBORG_STORAGE_URL: {error}") from None
        return file_system, root

    @property
    def folder(self) -> Path | None:
        """The store's folder on this machine; None for an object store."""
        files, root = self._files
        return Path(root) if "file" in files.protocol else None

    def _do(self, action: str, *arguments: Any) -> Any:
        """One call of the file system, with a timeout where fsspec can give it one."""
        files, _ = self._files
        if not files.async_impl:
            return getattr(files, action)(*arguments)
        from fsspec.asyn import sync

        return sync(files.loop, getattr(files, f"_{action}"), *arguments, timeout=self.timeout_s)

    def _write(self, path: str, data: bytes) -> None:
        if self.folder is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_file(Path(path), data)
        else:
            self._do("pipe_file", path, data)  # an object store never shows half an object

    def _path(self, name: str) -> str:
        return f"{self._files[1]}/{name[:2]}/{name}"

    @contextmanager
    def _noting_problems(self, kind: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            if kind == "read":
                raise
            self._fail(kind, "it does not exist")
        except Exception as error:  # noqa: BLE001 - each kind of store has errors of its own
            self._fail(kind, _reason(error), error)
        self.problems.pop(kind, None)

    def _fail(self, kind: str, reason: str, cause: Exception | None = None) -> None:
        self.problems[kind] = reason
        raise StorageUnavailable(f"The file store cannot {kind} now ({reason}).") from cause


def _reason(error: Exception) -> str:
    """The error in a few words, without paths or addresses."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__
