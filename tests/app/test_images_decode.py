import zlib
from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from app.stimuli import decode as decoding
from app.stimuli.decode import Unusable, decode
from app.stimuli.encode import jpeg, png, thumbnail
from app.stimuli.manifest import FaceBox, Item
from app.stimuli.prepare import prepare, square_face
from tests.app.pictures import draw, pixels

RED, TURN_LEFT_UP = 200, 6  # EXIF orientation 6: turn a quarter clockwise to see it upright


class TestDecode:
    @pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
    def test_a_colour_picture_keeps_its_pixels(self, tmp_path, suffix):
        path = draw(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
        assert np.array_equal(np.asarray(decode(path)), pixels())

    def test_the_name_does_not_matter_the_bytes_do(self, tmp_path):
        path = draw(tmp_path / "a.png").rename(tmp_path / "a.jpg")
        assert np.array_equal(np.asarray(decode(path)), pixels())

    def test_exif_orientation_is_carried_out(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = TURN_LEFT_UP
        path = draw(tmp_path / "a.png", width=64, height=40, exif=exif)
        assert np.array_equal(np.asarray(decode(path)), np.rot90(pixels(width=64, height=40), -1))

    def test_grey_becomes_three_equal_channels(self, tmp_path):
        Image.fromarray(pixels()).convert("L").save(tmp_path / "a.png")
        red, green, blue = np.moveaxis(np.asarray(decode(tmp_path / "a.png")), 2, 0)
        assert np.array_equal(red, green)
        assert np.array_equal(green, blue)

    @pytest.mark.parametrize("suffix", ["png", "tiff"])
    def test_sixteen_bit_grey_is_scaled_not_clipped(self, tmp_path, suffix):
        ramp = np.linspace(0, 65535, 64).round().astype(np.uint16)
        Image.fromarray(np.tile(ramp, (64, 1))).save(tmp_path / f"a.{suffix}")
        row = np.asarray(decode(tmp_path / f"a.{suffix}"))[0, :, 0]
        assert np.abs(row - ramp / 257).max() <= 0.5
        assert (row[0], row[-1]) == (0, 255)

    def test_transparency_shows_white(self, tmp_path):
        image = Image.new("RGBA", (64, 64), (RED, 0, 0, 255))
        image.putpixel((5, 7), (RED, 0, 0, 0))
        image.putpixel((6, 7), (RED, 0, 0, 51))
        image.save(tmp_path / "a.png")
        decoded = decode(tmp_path / "a.png")
        assert decoded.getpixel((5, 7)) == (255, 255, 255)
        assert decoded.getpixel((6, 7)) == (244, 204, 204)
        assert decoded.getpixel((0, 0)) == (RED, 0, 0)

    def test_a_palette_with_a_transparent_colour_shows_white(self, tmp_path):
        image = Image.new("P", (64, 64), 1)
        image.putpalette([0, 0, 0, RED, 0, 0])
        image.putpixel((5, 7), 0)
        image.save(tmp_path / "a.gif", transparency=0)
        decoded = decode(tmp_path / "a.gif")
        assert (decoded.getpixel((5, 7)), decoded.getpixel((0, 0))) == ((255, 255, 255), (RED, 0, 0))

    def test_cmyk_looks_as_it_did_on_paper(self, tmp_path):
        Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
        red, green, blue = decode(tmp_path / "a.jpg").getpixel((30, 30))
        assert red > 250
        assert green < 5
        assert blue < 5

    def test_colours_are_what_the_embedded_profile_says(self, tmp_path):
        path = draw(tmp_path / "a.png", icc_profile=red_and_green_exchanged())
        exchanged = pixels()[..., [1, 0, 2]].astype(int)
        assert np.abs(np.asarray(decode(path)) - exchanged).max() <= 2

    @pytest.mark.parametrize(
        "profile", [b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
    )
    def test_srgb_and_unreadable_profiles_change_nothing(self, tmp_path, profile):
        path = draw(tmp_path / "a.png", icc_profile=profile)
        assert np.array_equal(np.asarray(decode(path)), pixels())

    def test_a_photograph_with_a_preview_behind_it_is_a_photograph(self, tmp_path):
        preview = Image.fromarray(pixels(1))
        path = draw(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
        assert decode(path).size == (64, 64)

    @pytest.mark.parametrize("suffix", ["webp", "png", "gif"])
    def test_an_animation_is_refused(self, tmp_path, suffix):
        path = draw(tmp_path / f"a.{suffix}", save_all=True, append_images=[Image.fromarray(pixels(1))])
        with pytest.raises(Unusable, match="has 2 frames; save the one to be judged"):
            decode(path)

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
    def test_a_truncated_file_is_refused(self, tmp_path, suffix):
        path = draw(tmp_path / f"a.{suffix}", width=256, height=256)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        with pytest.raises(Unusable, match="is damaged: "):
            decode(path)

    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            ("empty.jpg", b"", "is empty"),
            ("text.png", b"not an image\n", "is not an image"),
            ("._a.jpg", b"\0\5\x16\7\0\2\0\0Mac OS X        ", "is a macOS metadata file"),
            (".hidden.jpg", b"x", "is a hidden file"),
            ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EOF\n", "is not an image"),
        ],
    )
    def test_what_is_no_picture_is_refused(self, tmp_path, name, data, reason):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(Unusable, match=reason):
            decode(tmp_path / name)

    def test_what_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(Unusable, match="cannot be read: No such file or directory"):
            decode(tmp_path / "a.png")
        with pytest.raises(Unusable, match="is not a file"):
            decode(tmp_path)

    def test_a_tiny_picture_is_refused(self, tmp_path):
        with pytest.raises(Unusable, match="is too small: 31×64 pixels"):
            decode(draw(tmp_path / "a.png", width=31))

    @pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
    def test_a_decompression_bomb_is_refused_by_its_header(self, tmp_path, side):
        path = draw(tmp_path / "a.png")
        data = bytearray(path.read_bytes())
        data[16:24] = side.to_bytes(4, "big") * 2
        path.write_bytes(with_header_checksum(data))
        with pytest.raises(Unusable, match="is too large"):
            decode(path)

    def test_floating_point_pixels_are_refused(self, tmp_path):
        Image.fromarray(np.ones((64, 64), np.float32)).save(tmp_path / "a.tiff")
        with pytest.raises(Unusable, match="floating-point"):
            decode(tmp_path / "a.tiff")

    def test_no_metadata_remains(self, tmp_path):
        exif = Image.Exif()
        exif[0x010E] = "a secret"
        path = draw(tmp_path / "a.jpg", exif=exif, comment=b"a secret", dpi=(300, 300))
        picture = decode(path)
        for encoded in (png(picture), jpeg(picture)):
            assert b"secret" not in encoded
            assert not Image.open(BytesIO(encoded)).getexif()

    def test_bytes_changed_anywhere_never_break_an_import(self, tmp_path):
        original = draw(tmp_path / "a.png").read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(200):
            data = bytearray(original)
            for at in rng.integers(0, len(data), 4):
                data[at] = rng.integers(0, 256)
            (tmp_path / "b.png").write_bytes(data)
            with suppress(Unusable):
                assert decode(tmp_path / "b.png").mode == "RGB"


class TestEncode:
    def test_the_master_has_every_pixel(self):
        picture = Image.fromarray(pixels())
        assert np.array_equal(np.asarray(Image.open(BytesIO(png(picture)))), pixels())

    def test_the_display_form_keeps_colour_at_full_resolution(self):
        shown = Image.open(BytesIO(jpeg(Image.fromarray(pixels()))))
        assert [component[1:3] for component in shown.layer] == [(1, 1)] * 3
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


class TestLimits:
    def test_a_picture_of_just_the_smallest_side_is_taken(self, tmp_path):
        side = decoding.MIN_SIDE
        assert decode(draw(tmp_path / "a.png", width=side, height=side)).size == (side, side)

    def test_a_very_long_picture_is_refused(self, tmp_path):
        with pytest.raises(Unusable, match="is too large: 16385×32 pixels"):
            decode(draw(tmp_path / "a.png", width=decoding.MAX_SIDE + 1, height=32))


def with_header_checksum(data: bytearray) -> bytes:
    """A PNG whose header chunk has been changed, made consistent again."""
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def red_and_green_exchanged() -> bytes:
    """The sRGB profile under another name, with its red and green primaries exchanged."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")


@pytest.fixture
def item(tmp_path):
    def make(*, face: FaceBox | None = None, **size: int) -> Item:
        return Item(draw(tmp_path / "a.png", **size), "a.png", "real", "camera", face=face)

    return make
