import pytest

from training.events import EvaluatedEvent, FailedEvent, StepEvent, parse_event


class TestEvents:
    def test_a_line_is_read_back_as_the_event_it_was(self):
        event = EvaluatedEvent(split="test", metrics={"auc": 0.75, "eer": None})
        assert parse_event(event.line()) == event

    def test_a_line_is_one_line(self):
        assert "\n" not in FailedEvent(error="two\nlines").line()

    def test_a_number_that_json_lacks_becomes_null(self):
        line = StepEvent(epoch=1, step=1, steps=2, terms={"loss": float("nan")}, images_per_s=1.0).line()
        assert parse_event(line).terms == {"loss": None}

    @pytest.mark.parametrize("line", ["", "Traceback", '{"kind": "unheard"}', '{"kind": "failed"}'])
    def test_anything_else_is_a_value_error(self, line):
        with pytest.raises(ValueError, match="validation error"):
            parse_event(line)
