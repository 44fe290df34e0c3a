"""What people were shown is what networks are fed: every way in gives the same pixels, or the same reason."""

import ast
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import accuracy
import app
import saliency
import training
from app.errors import BadInput
from app.experiments.scoring import prepared
from app.stimuli.manifest import Item
from app.stimuli.prepare import prepare
from saliency.__main__ import cli
from saliency.images.unusable import Unusable
from saliency.maps.png import encode_map_png
from tests.support.image_writers import (
    DISPLAY_P3,
    gama,
    gamma_curve,
    grey_profile,
    iccp,
    png,
    ramp,
    rgb_profile,
    saved,
    tiff,
    turned,
    with_alpha,
)
from tests.support.pictures import pixels
from training.data.dataset import DatasetWriter, load_dataset
from training.data.import_und import import_und
from training.data.pixels import pixels_of
from training.errors import DatasetError

LINEAR = gamma_curve(1.0)
USABLE = {
    "plain.jpg": saved(pixels(), "JPEG"),
    "cutout.png": png(with_alpha(ramp())),
    "wide-gamut.png": saved(pixels(), "PNG", icc_profile=rgb_profile(gamma_curve(2.2), DISPLAY_P3)),
    "linear.png": png(ramp(np.uint16), iccp(rgb_profile(LINEAR, name="GIMP built-in Linear sRGB"))),
    "grey.png": png(ramp(np.uint16)[..., 0], iccp(grey_profile(LINEAR))),
    "gamma.png": png(ramp(), gama(1.0)),
    "negative.tif": tiff(ramp(np.uint16)[..., 0], 0),
    "turned.jpg": saved(pixels(width=64, height=40), "JPEG", exif=turned(6)),
    "inks.jpg": saved(Image.fromarray(pixels()).convert("CMYK"), "JPEG"),
}  # fmt: skip
SECOND = [Image.fromarray(pixels(1))]
UNUSABLE = {
    "animated.gif": (saved(pixels(), "GIF", save_all=True, append_images=SECOND), "has 2 frames"),
    "pages.tif": (saved(pixels(), "TIFF", save_all=True, append_images=SECOND), "has 2 frames"),
    "cut.jpg": (saved(pixels(), "JPEG")[:600], "is damaged"),
    "small.png": (png(ramp()[:16, :16]), "is too small"),
    "float.tif": (saved(np.ones((64, 64), np.float32), "TIFF"), "has floating-point pixels"),
    "profile.jpg": (saved(pixels(), "JPEG", icc_profile=b"none" * 40), "has a colour profile that cannot be"),
}


class TestOneDecoder:
    @pytest.mark.parametrize("name", USABLE)
    def test_every_way_in_gives_the_pixels_of_the_import(self, tmp_path, name):
        path = write(tmp_path / name, USABLE[name])
        shown = stored(path)
        assert np.array_equal(pixels_of(path), shown)
        assert np.array_equal(of_png(prepared(USABLE[name], called=name, face=None).png), shown)
        assert np.array_equal(overlaid(path, shown.shape), shown)

    @pytest.mark.parametrize("name", [name for name in USABLE if not name.endswith(".tif")])
    def test_folders_of_the_authors_are_read_in_the_same_way(self, tmp_path, name):
        root = tmp_path / "und"
        row = f"test,Real,/val/{Path(name).stem}{Path(name).suffix}\n"
        write(root / "csvs/original.csv", row.encode())
        path = write(root / "val" / name, USABLE[name])
        list(import_und(root, tmp_path / "out"))
        (sample,) = load_dataset(tmp_path / "out").samples
        assert np.array_equal(pixels_of(tmp_path / "out" / sample.path), stored(path))

    @pytest.mark.parametrize("name", UNUSABLE)
    def test_every_way_in_refuses_for_the_same_reason(self, tmp_path, name):
        content, reason = UNUSABLE[name]
        path = write(tmp_path / name, content)
        for way in (
            lambda: prepare(item(path), size=None),
            lambda: pixels_of(path),
            lambda: prepared(content, called=name, face=None),
        ):
            with pytest.raises((Unusable, DatasetError, BadInput), match=reason):
                way()
        refused = CliRunner().invoke(cli, ["overlay", str(path), str(path), str(tmp_path / "out.png")])
        assert reason in refused.stderr

    def test_a_dataset_that_others_made_is_read_as_import_would(self, tmp_path):
        with DatasetWriter(tmp_path / "data", study="s", map_set="m") as writer:
            for name, label in (("cutout.png", "real"), ("gamma.png", "fake")):
                writer.add(image_id=name[:-4], image=USABLE[name], label=label, source="s", split="test")
        for sample in load_dataset(tmp_path / "data").samples:
            read = pixels_of(tmp_path / "data" / sample.path)
            assert np.array_equal(read, stored(write(tmp_path / "a.png", USABLE[f"{sample.image_id}.png"])))


class TestOnePlace:
    def test_image_files_are_opened_nowhere_else(self):
        """Maps, masks and classes are numbers (`saliency.maps.png`); `file_facts` reads headers; the last
        three read what they wrote."""
        assert set(places()) == {
            ("saliency/images/decoder.py", "Image.open"),
            ("saliency/images/file_facts.py", "Image.open"),
            ("saliency/images/layers.py", "cv2.imdecode"),
            ("saliency/maps/png.py", "cv2.imdecode"),
            ("app/stimuli/encode.py", "Image.open"),
            ("training/data/augment.py", "cv2.imdecode"),
            ("training/data/degradations.py", "cv2.imdecode"),
        }


def places() -> list[tuple[str, str]]:
    """Every call, in every package, that decodes an image."""
    found = []
    for package in (accuracy, app, saliency, training):
        root = Path(package.__file__).parent
        for path in sorted(root.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    call = f"{node.value.id}.{node.attr}"
                    if call in {"Image.open", "cv2.imread", "cv2.imdecode", "cv2.imreadmulti", "plt.imread"}:
                        found.append((path.relative_to(root.parent).as_posix(), call))
    return found


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def item(path: Path) -> Item:
    return Item(path, path.name, "real", "camera")


def stored(path: Path) -> np.ndarray:
    """What an import keeps for maps and training."""
    return of_png(prepare(item(path), size=None).content)


def of_png(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content)))


def overlaid(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The picture under a map that shows it everywhere."""
    nothing = write(path.parent / "map.png", encode_map_png(np.zeros(shape[:2], np.float32)))
    out = path.parent / "out.png"
    CliRunner().invoke(cli, ["overlay", str(path), str(nothing), str(out), "--strength", "0"])
    return of_png(out.read_bytes())
