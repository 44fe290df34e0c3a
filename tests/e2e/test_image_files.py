"""What the decoder makes of image files, beside what Chromium shows: participants judge in browsers."""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from saliency.images.decoder import decode_bytes
from tests.support.image_writers import (
    DISPLAY_P3,
    P3_POINTS,
    bmp,
    chrm,
    chunk,
    cicp,
    gama,
    gamma_curve,
    grey_profile,
    iccp,
    parametric_curve,
    png,
    ramp,
    rgb_profile,
    saved,
    trns,
    turned,
    with_alpha,
)

pytestmark = pytest.mark.browser

LINEAR = gamma_curve(1.0)
SRGB = parametric_curve(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
PALETTE = chunk(b"PLTE", bytes([200, 0, 0, 0, 90, 0, 0, 0, 250])) + chunk(b"tRNS", bytes([51, 255]))
BEST = {"quality": 100, "subsampling": 0}
CMYK = saved(Image.fromarray(ramp()).convert("CMYK"), "JPEG", **BEST)
MARKER = CMYK.index(b"Adobe")


def avif(primaries: int, transfer: int) -> bytes:
    file = saved(ramp(), "AVIF", quality=100, subsampling="4:4:4")
    at = file.index(b"colrnclx") + 8
    return file[:at] + struct.pack(">HH", primaries, transfer) + file[at + 4 :]


def ten_bits() -> bytes:
    options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100]
    return bytes(cv2.imencode(".avif", ramp(np.uint16)[..., ::-1] >> 6, options)[1])


FILES: dict[str, tuple[str, bytes]] = {
    "PNG": ("png", png(ramp())),
    "PNG, linear profile": ("png", saved(ramp(), "PNG", icc_profile=rgb_profile(LINEAR, name="sRGB linear"))),
    "PNG, profile of sRGB": ("png", saved(ramp(), "PNG", icc_profile=rgb_profile(SRGB, name="camera"))),
    "PNG, wide profile": ("png", saved(ramp(), "PNG", icc_profile=rgb_profile(gamma_curve(2.2), DISPLAY_P3))),
    "PNG, grey profile": ("png", saved(ramp()[..., 0], "PNG", icc_profile=grey_profile(LINEAR))),
    "PNG, 16 bits": ("png", png(ramp(np.uint16))),
    "PNG, 16 bits, linear": ("png", png(ramp(np.uint16), iccp(rgb_profile(LINEAR)))),
    "PNG, 16 bits of grey, linear": ("png", png(ramp(np.uint16)[..., 0], iccp(grey_profile(LINEAR)))),
    "PNG, 4 bits": ("png", png(ramp()[..., 0] >> 4, trns(3), bits=4)),
    "PNG, transparent, linear": ("png", png(with_alpha(ramp()), iccp(rgb_profile(LINEAR)))),
    "PNG, transparent grey, 16 bits": (
        "png",
        png(with_alpha(ramp(np.uint16)[..., :1]), iccp(grey_profile(LINEAR))),
    ),
    "PNG, transparent colour, 16 bits": ("png", png(ramp(np.uint16), trns(*[257 * 100] * 3))),
    "PNG, palette": ("png", png(np.tile(np.arange(256) % 3, (64, 1)), PALETTE, bits=2, colour=3)),
    "PNG, gAMA of sRGB": ("png", png(ramp(), gama(0.45455))),
    "PNG, gAMA and cHRM": ("png", png(ramp(), gama(0.45455), chrm(*P3_POINTS))),
    "PNG, cHRM": ("png", png(ramp(), chrm(*P3_POINTS))),
    "PNG, sRGB and gAMA": ("png", png(ramp(), chunk(b"sRGB", b"\0"), gama(1.0))),
    "PNG, cICP": ("png", png(ramp(), cicp(12, 13))),
    "PNG, turned": ("png", png(ramp(), chunk(b"eXIf", turned(6).tobytes()[6:]))),
    "JPEG": ("jpeg", saved(ramp(), "JPEG", **BEST)),
    "JPEG, linear profile": ("jpeg", saved(ramp(), "JPEG", icc_profile=rgb_profile(LINEAR), **BEST)),
    "JPEG, grey, profile for colours": (
        "jpeg",
        saved(ramp()[..., 0], "JPEG", quality=100, icc_profile=rgb_profile(LINEAR)),
    ),
    "JPEG, turned": ("jpeg", saved(ramp(), "JPEG", exif=turned(6), **BEST)),
    "JPEG, CMYK": ("jpeg", CMYK),
    "JPEG, CMYK, no marker": ("jpeg", CMYK[: MARKER - 4] + CMYK[MARKER + 12 :]),
    "JPEG, YCCK": ("jpeg", CMYK[: MARKER + 11] + b"\2" + CMYK[MARKER + 12 :]),
    "WebP, transparent, linear": (
        "webp",
        saved(with_alpha(ramp()), "WEBP", lossless=True, exact=True, icc_profile=rgb_profile(LINEAR)),
    ),
    "GIF": ("gif", saved(Image.fromarray(ramp()).quantize(100), "GIF", transparency=3)),
    "AVIF": ("avif", avif(1, 13)),
    "AVIF, video": ("avif", avif(1, 1)),
    "AVIF, wide": ("avif", avif(12, 13)),
    "AVIF, linear": ("avif", avif(1, 8)),
    "AVIF, 10 bits": ("avif", ten_bits()),
    "AVIF, turned": ("avif", saved(ramp(), "AVIF", quality=100, subsampling="4:4:4", exif=turned(6))),
    "BMP, linear profile": ("bmp", bmp(ramp(), colours=b"DEBM", profile=rgb_profile(LINEAR))),
}

DRAW = """async ([kind, content]) => {
  const image = new Image();
  image.src = `data:image/${kind};base64,${content}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return [canvas.width, canvas.height, btoa(text)];
}"""


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


class TestImageFiles:
    @pytest.mark.parametrize("name", FILES)
    def test_what_is_decoded_is_what_the_browser_shows(self, blank: Page, name: str):
        kind, content = FILES[name]
        decoded = np.asarray(decode_bytes(content)).astype(int)
        assert np.abs(decoded - shown(blank, kind, content)).max() <= 2


def shown(page: Page, kind: str, content: bytes) -> Any:
    width, height, pixels = page.evaluate(DRAW, [kind, base64.b64encode(content).decode()])
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[..., :3].astype(int)
