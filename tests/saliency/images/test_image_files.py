"""What becomes of image files, kind by kind: `docs/images.md` says the same in words."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from saliency.images import decoder
from saliency.images.decoder import decode, decode_bytes
from saliency.images.unusable import Unusable
from tests.support.image_writers import (
    DISPLAY_P3,
    P3_POINTS,
    bmp,
    chrm,
    chunk,
    cicp,
    cmyk_profile,
    gama,
    gamma_curve,
    grey_profile,
    iccp,
    parametric_curve,
    png,
    ramp,
    rgb_profile,
    sampled_curve,
    saved,
    tiff,
    trns,
    turned,
    with_alpha,
    xyz,
)
from tests.support.pictures import draw, pixels

RED, TURN_LEFT_UP = 200, 6  # EXIF orientation 6: turn a quarter clockwise to see it upright
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LINEAR = gamma_curve(1.0)
IN_LIGHT = np.linspace(0, 1, 1024)
LIGHT_OF_SRGB = np.where(IN_LIGHT <= 0.04045, IN_LIGHT / 12.92, ((IN_LIGHT + 0.055) / 1.055) ** 2.4)
CURVES = {
    "a gamma": gamma_curve(1.8),
    "samples": sampled_curve(IN_LIGHT**1.5),
    "parameters 0": parametric_curve(0, 2.2),
    "parameters 1": parametric_curve(1, 2.2, 0.9, 0.1),
    "parameters 2": parametric_curve(2, 2.2, 0.9, 0.05, 0.02),
    "parameters 3": parametric_curve(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    "parameters 4": parametric_curve(4, 2.2, 0.95, 0.02, 0.3, 0.05, 0.01, 0.0),
}


class TestColour:
    @pytest.mark.parametrize("name", ["GIMP built-in Linear sRGB", "sRGB-elle-V2-g10.icc", "linear"])
    def test_a_linear_profile_is_applied_whatever_it_is_called(self, name):
        file = saved(ramp(), "PNG", icc_profile=rgb_profile(LINEAR, name=name))
        assert off(file, encoded(ramp() / 255)) <= 1

    @pytest.mark.parametrize("name", ["sRGB IEC61966-2.1", "camera"])
    @pytest.mark.parametrize("profile", ["exact", "sampled"])
    def test_a_profile_that_changes_nothing_leaves_every_pixel(self, profile, name):
        sampled = rgb_profile(sampled_curve(LIGHT_OF_SRGB), name=name)
        file = saved(ramp(), "PNG", icc_profile=SRGB_PROFILE if profile == "exact" else sampled)
        assert off(file, ramp()) == 0

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
    def test_every_format_keeps_its_profile(self, kind):
        options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
        options = options or ({"quality": 100, "subsampling": "4:4:4"} if kind == "AVIF" else {})
        plain, given = (
            read(saved(pixels(), kind, **options, **more))
            for more in ({}, {"icc_profile": rgb_profile(LINEAR, DISPLAY_P3)})
        )
        assert (
            np.abs(given - by_littlecms(plain.astype(np.uint8), rgb_profile(LINEAR, DISPLAY_P3))).max() <= 2
        )
        assert np.abs(given - plain).mean() > 10

    @pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES.keys())
    def test_profiles_of_curves_and_a_matrix_give_what_littlecms_gives(self, curve):
        profile = rgb_profile(curve, DISPLAY_P3)
        file = saved(pixels(), "PNG", icc_profile=profile)
        assert np.abs(read(file) - by_littlecms(pixels(), profile)).max() <= 1

    def test_a_profile_made_of_tables_is_applied_by_littlecms(self):
        inks = np.dstack([pixels(1), pixels(2)[..., :1]])
        file = saved(Image.frombytes("CMYK", (64, 64), inks.tobytes()), "TIFF", icc_profile=cmyk_profile())
        assert off(file, by_littlecms(inks, cmyk_profile())) == 0
        assert off(file, np.asarray(Image.frombytes("CMYK", (64, 64), inks.tobytes()).convert("RGB"))) > 20

    @pytest.mark.parametrize("mode", ["L", "LA"])
    def test_grey_has_profiles_too(self, mode):
        grey = Image.fromarray(ramp()[:16]).convert(mode)
        file = saved(grey.resize((256, 32)), "PNG", icc_profile=grey_profile(LINEAR))
        assert off(file, encoded(np.arange(256) / 255)[None, :, None]) <= 1

    def test_grey_with_a_profile_for_colours_is_of_equal_colours(self):
        grey = np.tile(np.arange(256, dtype=np.uint8), (32, 1))
        assert (
            off(
                saved(grey, "JPEG", quality=100, icc_profile=rgb_profile(LINEAR)),
                encoded(grey[..., None] / 255),
            )
            <= 2
        )

    @pytest.mark.parametrize(
        ("picture", "profile", "reason"),
        [
            (ramp(), b"nonsense" * 20, "a colour profile that cannot be read"),
            (ramp(), rgb_profile(LINEAR)[:200], "a colour profile that cannot be read"),
            (ramp(), rgb_profile(b"none" + bytes(8)), "a colour profile that cannot be read"),
            (ramp(), grey_profile(LINEAR), "colours of the kind RGB and a profile for GRAY"),
            (ramp(), cmyk_profile(), "colours of the kind RGB and a profile for CMYK"),
            (ramp()[..., 0], cmyk_profile(), "colours of the kind GRAY and a profile for CMYK"),
        ],
    )
    def test_a_profile_that_cannot_be_applied_is_refused(self, picture, profile, reason):
        with pytest.raises(Unusable, match=f"^has {reason}"):
            decode_bytes(saved(picture, "JPEG", icc_profile=profile))

    def test_a_profile_that_cannot_be_unpacked_is_refused(self):
        with pytest.raises(Unusable, match="a colour profile that cannot be read"):
            decode_bytes(png(ramp(), chunk(b"iCCP", b"name\0\0not packed")))

    def test_cmyk_without_a_profile_looks_as_in_a_browser(self, tmp_path):
        Image.new("CMYK", (64, 64), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
        red, green, blue = decode(tmp_path / "a.jpg").getpixel((30, 30))  # type: ignore[misc]
        assert red > 250
        assert max(green, blue) < 5

    def test_ycck_is_cmyk_in_other_numbers(self):
        """A CMYK file whose marker is changed: of the stored inks, 150, 128 and 128 are a grey of 150 then.

        Inks are stored inverted, so this is 255 - 150.
        """
        file = saved(Image.new("CMYK", (64, 64), (255 - 150, 255 - 128, 255 - 128, 0)), "JPEG", quality=100)
        marker = file.index(b"Adobe") + 11
        shown = read(file[:marker] + b"\2" + file[marker + 1 :])
        assert np.abs(shown - (255 - 150)).max() <= 2

    def test_lab_is_converted(self):
        red = Image.new("LAB", (64, 64), (136, 128 + 80, 128 + 67))  # L* 53.2, a* 80, b* 67 is red
        assert np.abs(read(saved(red, "TIFF"))[0, 0] - [255, 0, 0]).max() <= 12


class TestColourWithoutAProfile:
    @pytest.mark.parametrize(
        ("chunks", "expected"),
        [
            ([gama(1.0)], 255 * (ramp() / 255) ** (1 / 2.2)),
            ([gama(1 / 2.2)], ramp()),
            ([chrm(*P3_POINTS)], ramp()),
            ([chunk(b"sRGB", b"\0"), gama(1.0)], ramp()),
            ([gama(1.0), iccp(SRGB_PROFILE)], ramp()),
            ([cicp(1, 13), gama(1.0)], ramp()),
            ([cicp(1, 8)], None),
            ([cicp(2, 2)], ramp()),
        ],
        ids=[
            "gAMA",
            "gAMA of sRGB",
            "cHRM",
            "sRGB first",
            "profile first",
            "cICP first",
            "cICP",
            "unspecified",
        ],
    )
    def test_a_png_is_read_as_browsers_read_it(self, chunks, expected):
        expected = encoded(ramp() / 255) if expected is None else expected
        assert off(png(ramp(), *chunks), expected) <= 1

    @pytest.mark.parametrize(
        ("chunks", "curve"),
        [
            ([gama(1 / 2.2), chrm(*P3_POINTS)], gamma_curve(2.2)),
            ([cicp(12, 13)], sampled_curve(LIGHT_OF_SRGB)),
            ([cicp(12, 4)], gamma_curve(2.2)),
        ],
        ids=["gAMA and cHRM", "cICP", "cICP with a gamma"],
    )
    def test_primaries_of_a_png_mean_what_a_profile_with_them_means(self, chunks, curve):
        expected = by_littlecms(pixels(), rgb_profile(curve, DISPLAY_P3))
        assert off(png(pixels(), *chunks), expected) <= 2

    @pytest.mark.parametrize("points", [(0,) * 8, (0.3, 0.3) * 4])
    def test_primaries_that_cannot_be_are_refused(self, points):
        with pytest.raises(Unusable, match="primaries that cannot be"):
            decode_bytes(png(ramp(), gama(0.5), chrm(*points)))

    @pytest.mark.parametrize(
        ("points", "kind"), [((9, 16), "for high dynamic range"), ((1, 99), "of an unknown kind")]
    )
    @pytest.mark.parametrize("file", ["PNG", "AVIF"])
    def test_colours_that_no_screen_here_can_show_are_refused(self, file, points, kind):
        with pytest.raises(Unusable, match=f"has colours {kind}"):
            decode_bytes(png(ramp(), cicp(*points)) if file == "PNG" else avif(*points))

    def test_the_colour_space_of_exif_means_nothing_as_in_browsers(self):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0xA001] = 2  # some cameras' word for Adobe RGB
        assert off(saved(ramp(), "JPEG", quality=100, subsampling=0, exif=exif), ramp()) <= 3

    def test_an_avif_may_name_its_primaries(self):
        plain = read(avif(1, 13)).astype(np.uint8)
        expected = by_littlecms(plain, rgb_profile(sampled_curve(LIGHT_OF_SRGB), DISPLAY_P3))
        assert off(avif(12, 13), expected) <= 2
        assert off(avif(1, 1), plain) == 0

    def test_a_bmp_may_hold_a_profile(self):
        assert off(bmp(ramp(), colours=b"DEBM", profile=rgb_profile(LINEAR)), encoded(ramp() / 255)) <= 1
        assert off(bmp(ramp(), colours=b"BGRs"), ramp()) == 0

    @pytest.mark.parametrize("how", [{"colours": b"KNIL"}, {"colours": bytes(4), "endpoints": b"\1" * 48}])
    def test_colours_of_a_bmp_that_are_not_read_are_refused(self, how):
        with pytest.raises(Unusable, match="describes its colours in a way that is not read"):
            decode_bytes(bmp(ramp(), **how))

    def test_primaries_of_a_tiff_count_and_its_transfer_function_is_refused(self):
        expected = by_littlecms(pixels(), rgb_profile(sampled_curve(LIGHT_OF_SRGB), DISPLAY_P3))
        given = {318: P3_POINTS[:2], 319: P3_POINTS[2:]}
        assert off(saved(pixels(), "TIFF", tiffinfo=given), expected) <= 2
        with pytest.raises(Unusable, match="a transfer function in place of a profile"):
            decode_bytes(saved(pixels(), "TIFF", tiffinfo={301: tuple(range(256))}))


class TestDepth:
    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_few_bits_are_stretched_to_white(self, bits):
        levels = np.tile(np.arange(64) % 2**bits, (64, 1))
        assert off(png(levels, bits=bits), levels[..., None] * 255 / (2**bits - 1)) <= 0.5

    @pytest.mark.parametrize(("bits", "white_is_zero"), [(12, False), (16, False), (16, True)])
    def test_grey_of_a_tiff_is_scaled_by_the_depth_that_it_declares(self, bits, white_is_zero):
        levels = np.tile(np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16), (64, 1))
        stored = 2**bits - 1 - levels if white_is_zero else levels
        file = tiff(stored, 0 if white_is_zero else 1, bits=bits)
        assert off(file, levels[..., None] * (255 / (2**bits - 1))) <= 0.51

    def test_white_is_zero_in_eight_bits_too(self):
        assert off(tiff(255 - ramp()[..., 0], 0), ramp()[..., :1]) == 0

    @pytest.mark.parametrize("white", [300, 1023, 65535])
    @pytest.mark.parametrize("kind", ["P5", "P6"])
    def test_a_ppm_is_scaled_by_its_own_white(self, kind, white):
        levels = np.tile(np.linspace(0, white, 64).round().astype(">u2"), (64, 1))
        stored = levels if kind == "P5" else np.repeat(levels[..., None], 3, axis=2)
        file = f"{kind} 64 64 {white}\n".encode() + stored.tobytes()
        assert off(file, levels[..., None] * (255 / white)) <= 0.51

    @pytest.mark.parametrize("make", [png, lambda samples: tiff(samples, 2)], ids=["PNG", "TIFF"])
    def test_sixteen_bit_colours_are_rounded(self, make):
        assert off(make(ramp(np.uint16, width=300)), ramp(np.uint16, width=300) / 257) <= 0.5

    def test_a_ten_bit_avif_is_scaled(self):
        levels = ramp(np.uint16)[..., ::-1] >> 6
        options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100]
        assert off(cv2.imencode(".avif", levels, options)[1].tobytes(), ramp()) <= 1

    @pytest.mark.parametrize("channels", ["grey", "colour"])
    def test_a_profile_is_applied_to_sixteen_bits_before_eight_are_left(self, channels):
        """Eight bits of linear light hold 20 of the 60 darkest levels of sRGB."""
        shades = np.linspace(0, 0.05, 2048)
        samples = np.broadcast_to(np.round(65_535 * shades)[None, :, None], (32, 2048, 3)).astype(np.uint16)
        profile = grey_profile(LINEAR) if channels == "grey" else rgb_profile(LINEAR)
        shown = read(png(samples[..., 0] if channels == "grey" else samples, iccp(profile)))
        assert np.abs(shown - encoded(shades)[None, :, None]).max() <= 1
        assert len(np.unique(shown)) == 64

    @pytest.mark.parametrize(
        ("file", "reason"),
        [
            (tiff(ramp(np.uint16), 2, planes=2), "16-bit colours in separate planes"),
            (tiff(with_alpha(ramp(np.uint16)), 5, planes=2), "16-bit colours in separate planes"),
            (
                tiff(with_alpha(ramp(np.uint16)), 2, tags={338: [1]}),
                "16-bit colours in a form that cannot be read",
            ),
            (tiff(ramp(np.uint32)[..., 0], 1), "grey values of more than 16 bits"),
            (tiff(ramp(np.uint16)[..., 0], 1, tags={339: [2]}), "signed pixels"),
            (tiff(ramp()[..., 0], 1, tags={339: [2]}), "signed pixels"),
            (tiff(ramp(), 6), "colours at half resolution without compression"),
            (saved(np.ones((64, 64), np.float32), "TIFF"), "floating-point pixels"),
        ],
        ids=[
            "planes",
            "planes of ink",
            "premultiplied",
            "32 bits",
            "signed",
            "signed bytes",
            "YCbCr",
            "float",
        ],
    )
    def test_pixels_that_cannot_be_read_faithfully_are_refused(self, file, reason):
        with pytest.raises(Unusable, match=f"^has {reason}"):
            decode_bytes(file)

    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_other_depths_are_refused_and_the_format_is_named(self, bits):
        with pytest.raises(
            Unusable, match="is damaged, or TIFF of a kind that cannot be read; save it as PNG"
        ):
            decode_bytes(tiff(np.ones((64, 64), np.uint16), 0, bits=bits))


class TestTransparency:
    def test_white_shows_through(self, tmp_path):
        image = Image.new("RGBA", (64, 64), (RED, 0, 0, 255))
        image.putpixel((5, 7), (RED, 0, 0, 0))
        image.putpixel((6, 7), (RED, 0, 0, 51))
        image.save(tmp_path / "a.png")
        decoded = decode(tmp_path / "a.png")
        assert decoded.getpixel((5, 7)) == (255, 255, 255)
        assert decoded.getpixel((6, 7)) == (244, 204, 204)
        assert decoded.getpixel((0, 0)) == (RED, 0, 0)

    def test_a_palette_with_a_transparent_colour_shows_white(self):
        image = Image.new("P", (64, 64), 1)
        image.putpalette([0, 0, 0, RED, 0, 0])
        image.putpixel((5, 7), 0)
        decoded = decode_bytes(saved(image, "GIF", transparency=0))
        assert (decoded.getpixel((5, 7)), decoded.getpixel((0, 0))) == ((255, 255, 255), (RED, 0, 0))

    def test_a_palette_may_have_an_opacity_for_each_colour(self):
        palette = chunk(b"PLTE", bytes([RED, 0, 0, 0, 0, 0])) + chunk(b"tRNS", bytes([51]))
        shown = read(png(np.tile([0, 1], (64, 32)), palette, bits=1, colour=3))
        assert shown[0, :2].tolist() == [[244, 204, 204], [0, 0, 0]]

    @pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
    def test_one_grey_value_may_be_transparent(self, bits):
        white = 2**bits - 1
        levels = np.full((64, 64), white if bits == 1 else white - 1, np.uint16 if bits == 16 else np.uint8)
        levels[:, 32:] = 0 if bits == 1 else 1
        shown = read(png(levels, trns(int(levels[0, 40])), bits=bits))
        assert shown[0, 40].tolist() == [255, 255, 255]
        assert np.abs(shown[0, 0] - int(levels[0, 0]) * 255 / white).max() <= 0.5

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_one_colour_may_be_transparent(self, dtype):
        colours = ramp(dtype)
        shown = read(png(colours, trns(*map(int, colours[0, 100]))))
        assert shown[0, 100].tolist() == [255, 255, 255]
        assert np.abs(shown[0, 101] - 101).max() == 0

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_colours_are_converted_before_they_are_laid_on_white(self, channels, dtype):
        samples = with_alpha(ramp(dtype)[..., :channels])
        profile = grey_profile(LINEAR) if channels == 1 else rgb_profile(LINEAR)
        opacity = np.linspace(1, 0, 256)[None, :, None]
        expected = opacity * encoded(ramp()[..., :channels] / 255) + 255 * (1 - opacity)
        assert off(png(samples, iccp(profile)), expected) <= 2

    def test_a_tiff_may_have_colours_multiplied_by_their_opacity(self):
        opaque, half = [[RED, 100, 50, 255]], [[RED // 2, 50, 25, 128]]
        shown = read(tiff(np.tile(np.uint8([opaque, half]), (16, 64, 1)), 2, tags={338: [1]}))
        assert shown[0, 0].tolist() == [RED, 100, 50]
        assert np.abs(shown[1, 0] - [227, 177, 152]).max() <= 2

    def test_a_further_channel_of_a_tiff_is_not_opacity(self):
        assert off(tiff(with_alpha(ramp()), 2, tags={338: [0]}), ramp()) == 0


class TestOrientation:
    @pytest.mark.parametrize(
        ("orientation", "upright"),
        [
            (1, lambda seen: seen),
            (2, np.fliplr),
            (3, lambda seen: np.rot90(seen, 2)),
            (4, np.flipud),
            (5, lambda seen: seen.transpose(1, 0, 2)),
            (6, lambda seen: np.rot90(seen, -1)),
            (7, lambda seen: np.rot90(seen, 2).transpose(1, 0, 2)),
            (8, np.rot90),
            (9, lambda seen: seen),
        ],
    )
    def test_each_of_them_is_carried_out(self, orientation, upright):
        file = saved(pixels(width=64, height=40), "PNG", exif=turned(orientation))
        assert np.array_equal(read(file), upright(pixels(width=64, height=40)))

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
    def test_it_is_carried_out_in_every_format_that_has_it(self, kind):
        options = {"WEBP": {"lossless": True}, "TIFF": {}, "PNG": {}}.get(kind, {"quality": 100})
        file = saved(pixels(width=64, height=40), kind, exif=turned(TURN_LEFT_UP), **options)
        assert np.abs(read(file) - np.rot90(pixels(width=64, height=40), -1)).mean() < 3

    def test_sixteen_bits_turn_too(self):
        exif = chunk(b"eXIf", turned(TURN_LEFT_UP).tobytes()[6:])
        assert off(png(ramp(np.uint16), exif), np.rot90(ramp(), -1)) == 0
        assert off(tiff(ramp(np.uint16), 2, tags={274: [TURN_LEFT_UP]}), np.rot90(ramp(), -1)) == 0

    def test_what_xmp_says_turns_nothing_as_in_browsers(self):
        xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
        assert read(saved(pixels(width=64, height=40), "JPEG", xmp=xmp)).shape == (40, 64, 3)

    def test_exif_that_cannot_be_read_turns_nothing(self):
        assert read(saved(pixels(), "JPEG", exif=b"Exif\0\0nonsense")).shape == (64, 64, 3)


class TestFrames:
    @pytest.mark.parametrize("kind", ["WEBP", "PNG", "GIF", "TIFF", "AVIF"])
    def test_more_than_one_is_refused(self, kind):
        file = saved(pixels(), kind, save_all=True, append_images=[Image.fromarray(pixels(1))])
        with pytest.raises(Unusable, match="has 2 frames; save the one to be judged"):
            decode_bytes(file)

    def test_a_photograph_with_a_preview_behind_it_is_a_photograph(self):
        file = saved(pixels(), "MPO", save_all=True, append_images=[Image.fromarray(pixels(1))])
        assert off(file, read(saved(pixels(), "JPEG"))) == 0

    def test_one_frame_smaller_than_its_screen_is_refused_for_browsers_disagree(self):
        small = saved(Image.new("P", (32, 32), 0), "GIF")
        with pytest.raises(Unusable, match="a frame smaller than its screen"):
            decode_bytes(small[:6] + struct.pack("<HH", 64, 64) + small[10:])


class TestFiles:
    @pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp"])
    def test_a_colour_picture_keeps_its_pixels(self, tmp_path, suffix):
        path = draw(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
        assert np.array_equal(np.asarray(decode(path)), pixels())

    def test_the_name_does_not_matter_the_bytes_do(self, tmp_path):
        path = draw(tmp_path / "a.png").rename(tmp_path / "a.jpg")
        assert np.array_equal(np.asarray(decode(path)), pixels())

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF"])
    def test_a_truncated_file_is_refused(self, kind):
        file = saved(np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8), kind)
        with pytest.raises(Unusable, match=r"^is damaged"):
            decode_bytes(file[: len(file) * 2 // 3])

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

    @pytest.mark.parametrize("side", [8_000, 12_000, 60_000])
    def test_a_decompression_bomb_is_refused_by_its_header(self, side):
        data = bytearray(saved(pixels(), "PNG"))
        data[16:24] = side.to_bytes(4, "big") * 2
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        with pytest.raises(Unusable, match="is too large"):
            decode_bytes(bytes(data))

    def test_a_tiny_picture_is_refused(self, tmp_path):
        side = decoder.MIN_SIDE
        assert decode(draw(tmp_path / "a.png", width=side, height=side)).size == (side, side)
        with pytest.raises(Unusable, match="is too small: 31×64 pixels"):
            decode(draw(tmp_path / "a.png", width=side - 1))

    def test_a_very_long_picture_is_refused(self, tmp_path):
        with pytest.raises(Unusable, match="is too large: 16385×32 pixels"):
            decode(draw(tmp_path / "a.png", width=decoder.MAX_SIDE + 1, height=32))

    @pytest.mark.parametrize(
        "original",
        [
            saved(pixels(), "PNG", icc_profile=rgb_profile(LINEAR)),
            png(ramp(np.uint16), iccp(rgb_profile(LINEAR))),
            saved(pixels(), "JPEG", icc_profile=grey_profile(LINEAR)),
            tiff(ramp(np.uint16), 2),
            tiff(ramp()[..., 0], 0),
            bmp(ramp(), colours=b"DEBM", profile=rgb_profile(LINEAR)),
            png(ramp(), gama(0.5), chrm(*P3_POINTS)),
        ],
        ids=["PNG", "16 bits", "JPEG", "TIFF of 16 bits", "TIFF", "BMP", "chunks"],
    )
    @pytest.mark.filterwarnings("ignore")  # Pillow warns of what is repaired or refused
    def test_bytes_changed_anywhere_give_a_picture_or_a_reason(self, original):
        rng = np.random.default_rng(0)
        for _ in range(150):
            data = bytearray(original)
            for at in rng.integers(0, len(data), 4):
                data[at] = rng.integers(0, 256)
            with suppress(Unusable):
                assert decode_bytes(bytes(data)).mode == "RGB"

    @pytest.mark.parametrize("at", range(0, 140, 4))
    def test_a_profile_changed_anywhere_gives_a_picture_or_a_reason(self, at):
        profile = bytearray(rgb_profile(LINEAR))
        profile[at : at + 4] = b"\xff\0\xff\xff"
        with suppress(Unusable):
            assert decode_bytes(saved(ramp(), "PNG", icc_profile=bytes(profile))).mode == "RGB"

    def test_a_matrix_of_nonsense_is_cut_at_black_and_white(self):
        profile = rgb_profile(LINEAR, ((-9, 5, 0), (30, -7, 2), (1, 1, 1)))
        assert read(saved(ramp(), "PNG", icc_profile=profile)).max() <= 255
        assert xyz(1.0)[8:] == b"\0\1\0\0"


def read(file: bytes) -> np.ndarray:
    return np.asarray(decode_bytes(file)).astype(int)


def off(file: bytes, expected: np.ndarray) -> float:
    """The largest difference of a file's picture from what is expected, in levels of 8 bits."""
    return float(np.abs(read(file) - expected).max())


def encoded(light: np.ndarray) -> np.ndarray:
    """sRGB levels of light, by the formula of IEC 61966-2-1."""
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def by_littlecms(samples: np.ndarray, profile: bytes) -> np.ndarray:
    """What another engine makes of RGB or CMYK, relative to white."""
    mode = {3: "RGB", 4: "CMYK"}[samples.shape[2]]
    picture = Image.frombytes(mode, samples.shape[1::-1], samples.tobytes())
    opened, srgb = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(picture, opened, srgb, renderingIntent=1, outputMode="RGB")
    return np.asarray(shown).astype(int)


def avif(primaries: int, transfer: int) -> bytes:
    """Pillow writes code points 1 and 13."""
    file = saved(ramp(), "AVIF", quality=100, subsampling="4:4:4")
    at = file.index(b"colrnclx") + 8
    return file[:at] + struct.pack(">HH", primaries, transfer) + file[at + 4 :]
