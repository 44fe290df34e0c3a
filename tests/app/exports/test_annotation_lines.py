"""Annotations as lines of JSON: what was stored, number for number, however many there are."""

import json

import pytest
from sqlalchemy import text

from app.exports import annotations, dictionary
from app.exports.annotations import annotation_lines
from tests.support.factories import (
    SESSION_HOLDER,
    AnnotationFactory,
    DecisionFactory,
    ParticipantFactory,
    StrokeFactory,
    TrialFactory,
)

WHOLE, SPLIT = 5.0, 7.25
POINTS = [[0.1, 63.5, 12], [10, 20.0, 900.25], [100.123456789012, 0, 1234567]]


@pytest.fixture
def paint(db):
    """An annotation with these strokes, each (tool, radius, points); returns its study."""

    def add(*strokes) -> int:
        person = ParticipantFactory()
        trial = TrialFactory(participant=person, position=1)
        annotation = AnnotationFactory(decision=DecisionFactory(trial=trial))
        for position, (tool, radius, points) in enumerate(strokes):
            StrokeFactory(
                annotation_id=annotation.id, position=position, tool=tool, radius=radius, points=points
            )
        db.commit()
        return person.study_id

    return add


@pytest.fixture
def lines(db):
    def export(study: int) -> list[str]:
        chunks = annotation_lines(db, study, file=dictionary.ANNOTATIONS, counting=True)
        return b"".join(chunks).decode().splitlines(keepends=True)

    return export


class TestLines:
    def test_a_line_is_what_python_would_write(self, paint, lines):
        (line,) = lines(paint(("brush", WHOLE, POINTS), ("lasso", SPLIT, [[1.5, 2.5, 3]])))
        assert line == json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":")) + "\n"

    def test_its_fields_are_those_of_the_dictionary(self, paint, lines):
        (line,) = lines(paint(("brush", WHOLE, POINTS)))
        assert tuple(json.loads(line)) == dictionary.ANNOTATIONS.names

    def test_strokes_come_back_in_the_order_drawn(self, paint, lines):
        drawn = [("eraser", SPLIT, POINTS), ("brush", WHOLE, [[1, 2, 3]])]
        (line,) = lines(paint(*drawn))
        assert [tuple(stroke.values()) for stroke in json.loads(line)["strokes"]] == drawn

    def test_an_annotation_without_a_stroke_has_an_empty_list(self, paint, lines):
        (line,) = lines(paint())
        assert json.loads(line)["strokes"] == []

    @pytest.mark.parametrize(
        "number", [0.0, 1e-7, 1.4210854715202004e-14, 0.1 + 0.2, 511.99999999999994, 1e15, 1e22]
    )
    def test_every_number_is_the_one_that_was_stored(self, paint, lines, number):
        (line,) = lines(paint(("brush", number, [[number, number, number]])))
        (stroke,) = json.loads(line)["strokes"]
        assert stroke == {"tool": "brush", "radius": number, "points": [[number] * 3]}
        assert isinstance(stroke["radius"], float)


class TestMemory:
    @pytest.fixture
    def seven(self, own_database):
        """A session, and the study of seven annotations."""
        _, sessions = own_database
        with sessions() as session:
            SESSION_HOLDER["session"] = session
            person = ParticipantFactory()
            for number in range(1, 8):
                trial = TrialFactory(participant=person, position=number)
                annotation = AnnotationFactory(decision=DecisionFactory(trial=trial))
                StrokeFactory(annotation_id=annotation.id, position=0)
            session.commit()
            yield session, person.study_id

    def test_rows_come_through_a_cursor_of_the_server(self, seven, monkeypatch):
        monkeypatch.setattr("app.db.ROWS_AT_A_TIME", 1)
        monkeypatch.setattr(annotations, "LINES_AT_A_TIME", 1)
        session, study = seven
        chunks = annotation_lines(session, study, file=dictionary.ANNOTATIONS, counting=True)
        next(chunks)
        assert session.scalar(text("SELECT count(*) FROM pg_cursors WHERE name LIKE 'c_%'")) == 1

    def test_how_many_lines_are_made_at_a_time_changes_no_byte(self, seven, monkeypatch):
        session, study = seven
        found = set()
        for size in (1, 3, 7, 200):
            monkeypatch.setattr(annotations, "LINES_AT_A_TIME", size)
            chunks = annotation_lines(session, study, file=dictionary.ANNOTATIONS, counting=True)
            found.add(b"".join(chunks))
        assert len(found) == 1
        assert found.pop().count(b"\n") == 7
