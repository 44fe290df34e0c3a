import numpy as np
import pytest

from tests.support.pictures import pixels
from training.data.degradations import KINDS, Degradation, parse_degradations
from training.errors import RecipeError

PICTURE = pixels(3, width=70, height=50)


def degraded(name, value=None, *, seed=0, image_id="a"):
    return Degradation(name, value).apply(PICTURE, seed=seed, image_id=image_id)


class TestParsing:
    def test_values_and_kinds_are_listed_in_one_text_or_several(self):
        found = [one.name for one in parse_degradations(["jpeg:90,50 blur:1", "social"])]
        assert found == ["jpeg:90", "jpeg:50", "blur:1", "social"]

    def test_a_kind_alone_means_its_usual_values(self):
        assert [one.value for one in parse_degradations(["jpeg"])] == [90, 70, 50, 30]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("fog:1", "no degradation 'fog'; the known ones are jpeg, webp, resize"),
            ("jpeg:101", "jpeg is a quality from 1 to 100, not '101'"),
            ("blur:x", "blur is a standard deviation in pixels from 0.1 to 50, not 'x'"),
            ("resize:nan", "resize is a factor"),
            ("social:2", "social takes no value, not '2'"),
            ("jpeg:90,90", "jpeg:90 is named twice"),
        ],
    )
    def test_anything_else_is_one_sentence(self, text, sentence):
        with pytest.raises(RecipeError, match=sentence):
            parse_degradations([text])


class TestDegradations:
    @pytest.mark.parametrize("name", KINDS)
    def test_each_keeps_size_and_type_and_changes_the_picture(self, name):
        value = KINDS[name].values[-1] if KINDS[name].values else None
        before, found = PICTURE.copy(), degraded(name, value)
        assert (found.shape, found.dtype) == (PICTURE.shape, np.uint8)
        assert (found != PICTURE).any()
        assert (before == PICTURE).all()

    @pytest.mark.parametrize(("name", "value"), [("noise", 5), ("crop", 0.8), ("social", None)])
    def test_what_is_drawn_depends_on_seed_and_image_alone(self, name, value):
        again, other = degraded(name, value), degraded(name, value, image_id="b")
        assert (degraded(name, value) == again).all()
        assert (other != again).any()
        assert (degraded(name, value, seed=1) != again).any()

    @pytest.mark.parametrize(
        ("name", "mild", "strong"), [("jpeg", 90, 10), ("blur", 0.5, 4), ("noise", 2, 20)]
    )
    def test_more_of_it_moves_the_picture_further(self, name, mild, strong):
        errors = [np.abs(degraded(name, value).astype(int) - PICTURE).mean() for value in (mild, strong)]
        assert errors[0] < errors[1]

    def test_a_whole_crop_and_a_factor_of_one_change_nothing(self):
        assert (degraded("crop", 1) == PICTURE).all()
        assert (degraded("resize", 1) == PICTURE).all()
