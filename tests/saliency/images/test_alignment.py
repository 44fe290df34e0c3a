"""Turning and framing faces by their landmarks."""

import numpy as np
import pytest

from saliency.images.alignment import LANDMARK_SCALE, FaceFrame, align, ffhq_frame
from saliency.images.faces import FaceFinder
from tests.support.portraits import draw_portrait

UPRIGHT = np.array([[40, 40], [60, 40], [50, 55], [44, 70], [56, 70]], float)


def turned(landmarks, degrees):
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (landmarks - 50) @ matrix + 50


class TestFfhqFrame:
    def test_it_is_the_square_of_the_paper(self):
        frame = ffhq_frame(UPRIGHT)
        assert frame.centre == pytest.approx((50, 43))
        assert frame.side == pytest.approx(LANDMARK_SCALE * max(4 * 20, 3.6 * 30))
        assert frame.half[1] == pytest.approx(0)

    @pytest.mark.parametrize("degrees", [-170, -90, -20, 35, 90, 180])
    def test_it_turns_with_the_face(self, degrees):
        upright, frame = ffhq_frame(UPRIGHT), ffhq_frame(turned(UPRIGHT, degrees))
        assert frame.side == pytest.approx(upright.side)
        corner = np.append(np.array(upright.centre) + upright.half, 1)
        moved = np.append(turned(corner[:2], degrees), 1)
        assert frame.transform(100) @ moved == pytest.approx(upright.transform(100) @ corner)

    def test_landmarks_at_one_point_are_no_face(self):
        with pytest.raises(ValueError, match="one point"):
            ffhq_frame(np.zeros((5, 2)))


class TestFrame:
    @pytest.mark.parametrize(
        ("centre", "share"), [((50, 50), 0), ((0, 50), 0.5), ((0, 0), 0.75), ((500, 500), 1)]
    )
    def test_it_says_how_much_of_it_is_outside(self, centre, share):
        assert FaceFrame(centre, (20, 0)).outside(100, 100) == pytest.approx(share, abs=1e-5)

    def test_its_transform_takes_the_middle_to_the_middle(self):
        frame = FaceFrame((30, 40), (3, 4))
        assert frame.transform(64) @ [30, 40, 1] == pytest.approx([32, 32])
        assert frame.transform(64) @ [33, 44, 1] == pytest.approx([64, 32])


class TestAlign:
    @pytest.mark.parametrize("degrees", [-25, 0, 25])
    def test_a_turned_head_comes_out_upright(self, degrees):
        portrait = draw_portrait(3, turn_deg=degrees)
        finder = FaceFinder()
        frame = ffhq_frame(finder.find(portrait.pixels)[0].landmarks)
        left, right = (frame.transform(256) @ [*eye, 1] for eye in portrait.eyes)
        assert abs(np.degrees(np.arctan2(*(right - left)[::-1]))) < 9  # of 25
        aligned = align(portrait.pixels, frame, size=256)
        eyes = finder.find(aligned)[0].landmarks[:2]
        assert eyes == pytest.approx(np.array([left, right]), abs=12)

    def test_a_constant_picture_stays_constant_beyond_its_edges(self):
        grey = np.full((40, 50, 3), 77, np.uint8)
        assert (align(grey, FaceFrame((0, 0), (30, 10)), size=16) == 77).all()

    def test_a_frame_that_is_the_picture_changes_nothing(self):
        picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        assert np.array_equal(align(picture, FaceFrame((16, 16), (16, 0)), size=32), picture)

    def test_a_quarter_turn_moves_whole_pixels(self):
        picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        assert np.array_equal(align(picture, FaceFrame((16, 16), (0, 16)), size=32), np.rot90(picture))
