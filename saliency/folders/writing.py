"""What a folder of maps holds: `maps/<image_id>.png`, `maps.csv` and `build.json`."""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from saliency.files.writing import write_table
from saliency.maps.merging import ImageMap
from saliency.maps.png import encode_map_png

COLUMNS: Final = ("image_id", "width", "height", "annotators", "coverage", "entropy", "agreement")
MARK: Final = "build.json"


@dataclass(frozen=True, slots=True)
class EncodedMap:
    """A map as it is stored: a 16-bit PNG and the numbers of its row in `maps.csv`."""

    image_id: str
    width: int
    height: int
    png: bytes
    annotators: int
    coverage: float
    entropy: float
    agreement: float | None


def encode_image_map(encoded: ImageMap) -> EncodedMap:
    """Encode the values of a map and keep its numbers."""
    return EncodedMap(
        image_id=encoded.image_id,
        width=encoded.width,
        height=encoded.height,
        png=encode_map_png(encoded.values),
        annotators=encoded.annotators,
        coverage=encoded.coverage,
        entropy=encoded.entropy,
        agreement=encoded.agreement,
    )


def write_maps(folder: Path, maps: Iterable[EncodedMap]) -> int:
    """Write the pictures and the table of maps as they come; return how many there are."""
    (folder / "maps").mkdir()
    rows = []
    for encoded in maps:
        (folder / "maps" / f"{encoded.image_id}.png").write_bytes(encoded.png)
        rows.append(_row(encoded))
    write_table(folder / "maps.csv", COLUMNS, rows)
    return len(rows)


def _row(encoded: EncodedMap) -> tuple[str, ...]:
    agreement = "" if encoded.agreement is None else f"{encoded.agreement:.6f}"
    sizes = (str(encoded.width), str(encoded.height), str(encoded.annotators))
    return encoded.image_id, *sizes, f"{encoded.coverage:.6f}", f"{encoded.entropy:.6f}", agreement


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write what was done, and the versions of everything that can change a byte."""
    text = json.dumps({**record, "versions": versions()}, indent=2, sort_keys=True)
    (folder / MARK).write_text(text + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of everything that can change a byte of a map."""
    versions = {"python": platform.python_version()}
    for name in ("cyborg-platform", "numpy", "opencv-python-headless", "scipy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was not installed
            versions[name] = "unknown"
    return versions
