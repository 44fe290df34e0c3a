"""Maps as PNG."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saliency import decode_map_png, encode_map_png
from tests.support.image_writers import png


class TestMapPng:
    maps = arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.floats(0, 1, width=32)
    )

    @given(maps)
    def test_a_map_comes_back_within_half_a_step_of_sixteen_bits(self, values):
        np.testing.assert_allclose(decode_map_png(encode_map_png(values)), values, atol=0.51 / 65535)

    def test_one_is_the_whitest_value_of_sixteen_bit_grey(self):
        data = np.frombuffer(encode_map_png(np.array([[0, 1]], np.float32)), np.uint8)
        stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert (stored.dtype, stored.tolist()) == (np.uint16, [[0, 65535]])

    def test_the_same_map_gives_the_same_bytes(self):
        values = np.random.default_rng(0).random((40, 50), dtype=np.float32)
        assert encode_map_png(values) == encode_map_png(values.copy())

    @pytest.mark.parametrize("wrong", [[[0, np.nan]], [[0, 1.1]], [[-0.1, 0]], [0, 1], [[]]])
    def test_what_is_no_map_is_refused(self, wrong):
        with pytest.raises(ValueError, match="a map"):
            encode_map_png(np.array(wrong, np.float32))

    def test_an_eight_bit_map_is_read_to_the_same_range(self):
        data = cv2.imencode(".png", np.array([[0, 51, 255]], np.uint8))[1].tobytes()
        np.testing.assert_allclose(decode_map_png(data), [[0, 0.2, 1]], rtol=1e-6)

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_few_bits_go_to_their_own_white(self, bits):
        levels = np.arange(2**bits).reshape(1, -1)
        np.testing.assert_allclose(decode_map_png(png(levels, bits=bits)), levels / (2**bits - 1), rtol=1e-6)

    def test_a_map_too_large_for_anything_is_refused_by_its_header(self):
        data = bytearray(encode_map_png(np.zeros((9, 9), np.float32)))
        data[16:24] = (60_000).to_bytes(4, "big") * 2
        with pytest.raises(ValueError, match="not a readable image"):
            decode_map_png(bytes(data))

    @pytest.mark.parametrize("data", [b"", b"no image", encode_map_png(np.ones((9, 9), np.float32))[:40]])
    def test_bytes_that_are_no_image_are_refused(self, data):
        with pytest.raises(ValueError, match="not a readable image"):
            decode_map_png(data)

    def test_a_colour_image_is_refused(self):
        data = cv2.imencode(".png", np.zeros((3, 3, 3), np.uint8))[1].tobytes()
        with pytest.raises(ValueError, match="3 channels"):
            decode_map_png(data)
