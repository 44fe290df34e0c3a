"""Annotations as JSON lines."""

import json
from datetime import UTC, datetime

import pytest

from saliency import AnnotationFileError, MapParameters, read_annotations

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


class TestReadAnnotations:
    def test_lines_in_any_order_are_grouped_by_image(self, write):
        images = list(read_annotations(write(line("b", correct=False), line("a"), "", line("b"))))
        assert [(one.image_id, len(one.annotations)) for one in images] == [("a", 1), ("b", 2)]
        assert sorted(one.correct for one in images[1].annotations) == [False, True]

    def test_fields_it_does_not_need_are_ignored(self, write):
        assert len(list(read_annotations(write(line(participant="p", label="fake"))))) == 1

    def test_an_image_may_be_told_by_an_integer_or_by_its_text(self, write):
        as_integer = json.dumps(json.loads(line("7")) | {"image_id": 7})
        (image,) = read_annotations(write(as_integer, line("7", correct=False)))
        assert (image.image_id, len(image.annotations)) == ("7", 2)

    @pytest.mark.parametrize("odd", [True, 7.0, -7.5, None, [7]])
    def test_nothing_else_tells_an_image(self, write, odd):
        with pytest.raises(AnnotationFileError, match="image_id must be an integer"):
            list(read_annotations(write(json.dumps(json.loads(line()) | {"image_id": odd}))))

    def test_an_empty_file_has_no_images(self, write):
        assert list(read_annotations(write())) == []

    def test_the_byte_order_mark_of_utf_8_changes_nothing(self, tmp_path):
        path = tmp_path / "annotations.jsonl"
        path.write_text(line(), encoding="utf-8-sig")
        assert len(list(read_annotations(path))) == 1

    def test_utf_16_is_refused_with_what_to_do(self, tmp_path):
        path = tmp_path / "annotations.jsonl"
        path.write_text(line(), encoding="utf-16")
        with pytest.raises(AnnotationFileError, match="UTF-16 text; save the file as UTF-8"):
            list(read_annotations(path))

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
