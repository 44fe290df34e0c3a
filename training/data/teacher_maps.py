"""The manifest of maps that a trained network drew, `teacher.json`: who drew them, of what, and hashes.

Importing this does not import torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.data.dataset import DatasetFolder, Sample
from training.errors import DatasetError
from training.files import file_sha256, read_json

MANIFEST: Final = "teacher.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class TeacherManifest:
    """What `python -m training teach` wrote beside its maps.

    content : `files` has for each image id the SHA-256 of its map and of the image that it was drawn for; the
        rest is the record of how
    """

    folder: Path
    sha256: str
    content: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "TeacherManifest | None":
        """The manifest of a folder of maps; None where there is none, such as of maps made elsewhere.

        `DatasetError`: the file is damaged
        """
        path = folder / MANIFEST
        if not path.is_file():
            return None
        content = read_json(path)
        if content.get("format") != FORMAT or not _has_files(content.get("files")):
            raise DatasetError(f"{path} is not a teacher's manifest of format {FORMAT}.")
        return cls(folder, file_sha256(path), content)

    def require_unchanged(self, dataset: DatasetFolder, samples: Sequence[Sample]) -> None:
        """Compare the maps of these samples, and the images they were drawn for, with the manifest.

        `DatasetError`: a map was added, removed or changed, or was drawn for another image of that name
        """
        for sample in samples:
            path = self.folder / "maps" / f"{sample.image_id}.png"
            known = self.content["files"].get(sample.image_id)
            if (file_sha256(path) if path.is_file() else None) != (known and known["map"]):
                raise DatasetError(f"{path} is not what the teacher drew, says {self.folder / MANIFEST}.")
            if known and known["image"] != dataset.digests[sample.path]:
                raise DatasetError(f"{path} was drawn for another image than {dataset.root / sample.path}.")

    def record(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """What run.json keeps of the teacher of these samples."""
        kept = {key: self.content.get(key) for key in ("method", "parameters", "run", "learned_from")}
        drawn = sum(sample.image_id in self.content["files"] for sample in samples)
        return {"manifest_sha256": self.sha256, **kept, "maps": drawn}


def _has_files(files: Any) -> bool:
    return isinstance(files, dict) and all(
        isinstance(entry, dict) and {"map", "image"} <= entry.keys() for entry in files.values()
    )
