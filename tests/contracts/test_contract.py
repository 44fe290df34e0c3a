"""Browser and server share one contract: what stands in annotation_ui is what the server says."""

import copy

import pytest

from app import contract
from app.trials.schemas import DecisionBody, StrokeShape
from saliency.masks.strokes import FIELDS


@pytest.fixture(scope="module")
def document():
    return contract.participant_document()


@pytest.fixture
def types(document):
    """The types of a document that a test may change."""
    return copy.deepcopy(document["types"])


def written(document, types):
    return contract.types_module({**document, "types": types})


class TestFiles:
    @pytest.mark.parametrize("path", [contract.TYPES_FILE, contract.NUMBERS_FILE], ids=lambda path: path.name)
    def test_it_is_what_make_contract_writes(self, path):
        assert path.read_text(encoding="utf-8") == contract.files()[path]

    def test_it_has_every_call_of_the_participant(self, document):
        calls = [
            f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
        ]
        assert len(calls) == 9
        assert all(f'"{call}": {{' in contract.types_module(document) for call in calls)

    def test_it_has_no_call_of_the_staff(self, document):
        assert not any(path.startswith("/staff") for path in document["paths"])


class TestTypes:
    """Each change of a schema changes the file, so that the committed one is not what is written."""

    def test_it_has_the_name_of_a_field(self, document, types):
        fields = types["TrialView"]["properties"]
        fields["number"] = fields.pop("position")
        assert "  number: number;" not in contract.types_module(document)
        assert "  number?: number;" in written(document, types)

    def test_it_says_which_fields_may_be_left_out(self, document, types):
        types["TrialView"]["required"].remove("annotate")
        assert "  annotate: boolean;" in contract.types_module(document)
        assert "  annotate?: boolean;" in written(document, types)

    def test_it_lists_the_members_of_an_enum(self, document, types):
        types["Side"]["enum"].append("both")
        assert 'type Side = "left" | "right";' in contract.types_module(document)
        assert 'type Side = "left" | "right" | "both";' in written(document, types)

    def test_it_has_the_type_of_a_field(self, document, types):
        types["Picture"]["properties"]["width"]["type"] = "string"
        assert "  width: number;" in contract.types_module(document)
        assert "  width: string;" in written(document, types)

    def test_it_has_the_path_of_a_call(self, document):
        paths = dict(document["paths"])
        paths["/api/participant/after"] = paths.pop("/api/participant/next")
        assert '"GET /api/participant/after"' in contract.types_module({**document, "paths": paths})

    def test_it_refuses_what_it_cannot_say(self, document, types):
        types["Picture"]["properties"]["width"]["oneOf"] = []
        with pytest.raises(ValueError, match="oneOf"):
            written(document, types)

    def test_it_shows_a_field_that_an_answer_always_has_as_required(self, document):
        assert "  prompt: string | null;" in contract.types_module(document)


class TestStrokes:
    def test_it_documents_the_fields_that_are_read(self):
        assert set(StrokeShape.model_fields) == FIELDS

    def test_it_leaves_the_check_to_the_parser(self):
        """A stroke of any shape passes here; `parse_strokes` says what is wrong with it."""
        body = DecisionBody(choice="left", decision_ms=1, strokes=[{"tool": "pencil"}, 3])
        assert body.strokes == [{"tool": "pencil"}, 3]
