"""Maps as PNG, annotations as JSON lines, folders that appear whole or not at all."""

import json
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saliency import AnnotationFileError, MapParameters, decode_map_png, encode_map_png, read_annotations
from saliency.files import OutputError, new_folder
from tests.support.image_writers import png

STROKE = {"tool": "brush", "radius": 5, "points": [[20, 20, 0], [40, 30, 10]]}


def line(image_id="a", **changes):
    base = {"annotation_id": None, "image_id": image_id, "width": 100, "height": 80, "correct": True}
    return json.dumps(base | {"strokes": [STROKE]} | changes)


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "annotations.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


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


class TestReadAnnotations:
    def test_lines_in_any_order_are_grouped_by_image(self, write):
        images = list(read_annotations(write(line("b", correct=False), line("a"), "", line("b"))))
        assert [(one.image_id, len(one.annotations)) for one in images] == [("a", 1), ("b", 2)]
        assert sorted(one.correct for one in images[1].annotations) == [False, True]

    def test_fields_it_does_not_need_are_ignored(self, write):
        assert len(list(read_annotations(write(line(participant="p", label="fake"))))) == 1

    def test_an_empty_file_has_no_images(self, write):
        assert list(read_annotations(write())) == []

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ("{", "not valid JSON"),
            ("[" * 100_000, "not valid JSON"),
            ("[]", "must be a JSON object"),
            ('{"width": 3}', "image_id must be"),
            (line("../a"), "image_id must be"),
            (line(".hidden"), "image_id must be"),
            (line(width=0), "width must be a whole number"),
            (line(height="80"), "height must be a whole number"),
            (line(width=101), "differ from"),
            (line(correct=1), "correct must be true or false"),
            (line(strokes=None), "strokes must be a list"),
            (line(strokes=[STROKE, STROKE | {"radius": 0}]), "stroke 1: radius"),
        ],
    )
    def test_a_bad_line_is_named_by_file_and_number(self, write, bad, message):
        path = write(line(), line(correct=False), bad)
        with pytest.raises(AnnotationFileError, match=message) as caught:
            list(read_annotations(path))
        assert str(caught.value).startswith(f"{path}, line 3: ")

    def test_what_a_line_tells_of_its_author_is_read(self, write):
        told = {"arm": "annotate", "question": "fake", "participant": "p", "accuracy": 0.75}
        told |= {"decision_ms": 900, "decided_at": "2026-03-01T12:00:00+01:00", "flags": ["too_fast"]}
        ((one,),) = (item.annotations for item in read_annotations(write(line(**told))))
        assert (one.arm, one.question, one.participant, one.accuracy) == ("annotate", "fake", "p", 0.75)
        assert (one.decision_ms, one.flags) == (900, ("too_fast",))
        assert one.decided_at == datetime(2026, 3, 1, 11, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("name", "bad"),
        [
            ("arm", 3),
            ("accuracy", 1.5),
            ("accuracy", True),
            ("decision_ms", -1),
            ("decision_ms", 10**400),
            ("decided_at", "noon"),
            ("decided_at", "2026-03-01T12:00:00"),
            ("decided_at", 5),
            ("flags", "too_fast"),
            ("flags", [1]),
        ],
    )
    def test_a_bad_word_about_its_author_is_named(self, write, name, bad):
        with pytest.raises(AnnotationFileError, match=rf"line 1: {name} must be"):
            list(read_annotations(write(line(**{name: bad}))))

    def test_a_line_that_lacks_what_a_parameter_needs_is_named(self, write):
        path = write(line(accuracy=0.5), line(accuracy=None, annotation_id="late"))
        with pytest.raises(AnnotationFileError, match="line 2: annotation late has no accuracy"):
            list(read_annotations(path, MapParameters(weight="accuracy")))

    def test_an_annotation_that_appears_twice_is_refused(self, write):
        with pytest.raises(AnnotationFileError, match="annotation 7 appears twice"):
            list(read_annotations(write(line(annotation_id="7"), line(annotation_id="7"))))

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(AnnotationFileError, match=r"none\.jsonl cannot be read"):
            list(read_annotations(tmp_path / "none.jsonl"))


class TestNewFolder:
    def test_it_appears_when_the_block_ends_well(self, tmp_path):
        with new_folder(tmp_path / "deep" / "out", mark="m.json") as folder:
            (folder / "m.json").write_text("1")
            assert not (tmp_path / "deep" / "out").exists()
        assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["out", "m.json"]

    def test_it_replaces_an_earlier_result_whole(self, tmp_path):
        for name in ("old", "new"):
            with new_folder(tmp_path / "out", mark="m.json") as folder:
                (folder / "m.json").touch()
                (folder / name).touch()
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["m.json", "new"]

    def test_an_error_leaves_the_earlier_result_and_nothing_else(self, tmp_path):
        with new_folder(tmp_path / "out", mark="m.json") as folder:
            (folder / "m.json").touch()
        with pytest.raises(IsADirectoryError), new_folder(tmp_path / "out", mark="m.json") as folder:
            folder.read_bytes()
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
            "out",
            "out/m.json",
        ]

    def test_somebody_elses_folder_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(OutputError, match=r"holds no m\.json"), new_folder(tmp_path, mark="m.json"):
            pytest.fail("the block must not run")

    def test_a_file_in_its_place_is_left_alone(self, tmp_path):
        (tmp_path / "out").touch()
        with pytest.raises(OutputError, match="is a file"), new_folder(tmp_path / "out", mark="m.json"):
            pytest.fail("the block must not run")
