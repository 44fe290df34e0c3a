from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.stimuli.encode import jpeg, png, thumbnail
from app.stimuli.manifest import FaceBox, Item
from app.stimuli.prepare import prepare, square_face
from saliency.images.decoder import decode
from saliency.images.unusable import Unusable
from tests.support.pictures import draw, pixels


class TestEncode:
    def test_no_metadata_remains(self, tmp_path):
        exif = Image.Exif()
        exif[0x010E] = "a secret"
        path = draw(tmp_path / "a.jpg", exif=exif, comment=b"a secret", dpi=(300, 300))
        picture = decode(path)
        for encoded in (png(picture), jpeg(picture)):
            assert b"secret" not in encoded
            assert not Image.open(BytesIO(encoded)).getexif()

    def test_the_master_has_every_pixel(self):
        picture = Image.fromarray(pixels())
        assert np.array_equal(np.asarray(Image.open(BytesIO(png(picture)))), pixels())

    def test_the_display_form_keeps_colour_at_full_resolution(self):
        shown = Image.open(BytesIO(jpeg(Image.fromarray(pixels()))))
        assert [component[1:3] for component in shown.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
        assert np.abs(np.asarray(shown).astype(int) - pixels()).mean() < 3

    def test_a_thumbnail_has_the_width_asked_for(self):
        data = jpeg(Image.fromarray(pixels(width=200, height=100)))
        assert Image.open(BytesIO(thumbnail(data, width=50))).size == (50, 25)

    def test_a_thumbnail_is_never_larger_than_the_picture(self):
        data = jpeg(Image.fromarray(pixels()))
        assert thumbnail(data, width=500) == data


class TestPrepare:
    def test_without_a_size_nothing_is_scaled(self, item):
        prepared = prepare(item(width=80, height=60), size=None)
        assert (prepared.width, prepared.height) == (80, 60)

    def test_a_picture_of_the_wanted_size_keeps_its_pixels(self, item):
        prepared = prepare(item(), size=64)
        assert np.array_equal(np.asarray(Image.open(BytesIO(prepared.content))), pixels())

    def test_the_centred_square_is_taken(self, item):
        prepared = prepare(item(width=128, height=64), size=64)
        middle = pixels(width=128, height=64)[:, 32:96]
        assert np.array_equal(np.asarray(Image.open(BytesIO(prepared.content))), middle)

    def test_the_face_box_moves_with_the_picture(self, item):
        prepared = prepare(item(width=128, height=64, face=FaceBox(40, 8, 32, 16)), size=128)
        assert prepared.face == FaceBox(16, 16, 64, 32)

    def test_a_face_box_is_cut_at_the_edge(self):
        assert square_face(FaceBox(-10, 0, 40, 40), 100, 100, size=100) == FaceBox(0, 0, 30, 40)

    def test_a_face_outside_of_the_square_is_refused(self, item):
        with pytest.raises(Unusable, match="face box lies outside of the 64×64 picture"):
            prepare(item(width=256, height=64, face=FaceBox(0, 0, 20, 20)), size=64)


@pytest.fixture
def item(tmp_path):
    def make(*, face: FaceBox | None = None, **size: int) -> Item:
        return Item(draw(tmp_path / "a.png", **size), "a.png", "real", "camera", face=face)

    return make
