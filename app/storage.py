"""Blobs named after their content, in a folder or an object store."""

import hashlib
from uuid import uuid4

import fsspec


class BlobStore:
    """`put` is idempotent: the same bytes have the same name, and a blob never changes."""

    def __init__(self, url: str) -> None:
        self._fs, self._root = fsspec.core.url_to_fs(url)

    def put(self, data: bytes) -> str:
        """Keep `data`; returns its SHA-256, which is its name."""
        name = hashlib.sha256(data).hexdigest()
        path = self._path(name)
        if not self._fs.exists(path):
            self._write(path, data)
        return name

    def get(self, name: str) -> bytes:
        """The bytes called `name`; FileNotFoundError when there are none."""
        return bytes(self._fs.cat_file(self._path(name)))

    def _write(self, path: str, data: bytes) -> None:
        # A reader must never see half a blob: write beside it, then rename.
        partial = f"{path}.{uuid4().hex}.partial"
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._fs.pipe_file(partial, data)
        self._fs.mv(partial, path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name}"
