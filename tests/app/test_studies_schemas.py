from pathlib import Path

import pytest
from pydantic import ValidationError

from app.errors import BadStudy
from app.studies.parts import AnnotationSpec, ArmSpec, PairsSpec
from app.studies.schemas import StudySpec, load_study, parse_pairs

MINIMAL = 'slug = "faces"\ntitle = "Which face is real?"\n[pairs]\nper_source = 10\n'
WITHOUT_PAIRS = MINIMAL.partition("[pairs]")[0]


class TestStudySpec:
    def test_what_is_not_said_has_a_documented_default(self, study):
        spec = study(MINIMAL)
        assert (spec.trials_per_participant, spec.judgements, spec.lease_minutes) == (30, 5, 60)
        assert [(arm.name, arm.annotate, arm.advice) for arm in spec.arms] == [
            ("annotate", True, "none"),
            ("control", False, "none"),
        ]
        assert (spec.annotation.min_strokes, spec.pairs.seed, spec.completion_url) == (1, 0, None)
        assert not spec.accepts_simulated

    def test_the_default_texts_are_complete(self, study):
        spec = study(MINIMAL)
        for promise in ("voluntary", "stop at any time", "18 years", "published", "payment"):
            assert promise in " ".join(spec.consent.split())
        for text in (spec.consent, spec.instructions):
            assert len(text.split()) > 150
            assert "[" not in text

    def test_every_key_can_be_given(self, study):
        spec = study(
            'slug = "a-1"\ntitle = "T"\ntrials_per_participant = 4\njudgements = 2\nlease_minutes = 5\n'
            'consent = "I agree."\ninstructions = "Look."\naccepts_simulated = true\n'
            'completion_url = "https://app.prolific.com/submissions/complete?cc=C1"\n'
            '[[arms]]\nname = "only"\nannotate = true\nadvice = "none"\n'
            '[pairs]\nper_source = 3\nsources = ["gan"]\nreal_sources = ["camera"]\nseed = 7\n'
            "[annotation]\nmin_strokes = 2\n"
        )
        assert (spec.consent, spec.lease_minutes, spec.annotation.min_strokes) == ("I agree.", 5, 2)
        assert (spec.pairs.sources, spec.pairs.real_sources, spec.pairs.seed) == (("gan",), ("camera",), 7)

    def test_it_cannot_be_changed(self, study):
        with pytest.raises(ValidationError, match="frozen"):
            study(MINIMAL).slug = "other"

    def test_it_survives_being_stored(self, study):
        spec = study(MINIMAL)
        assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec

    @pytest.mark.parametrize(
        ("before", "after", "complaint"),
        [
            ('"faces"', '"Faces of May"', "slug: must be lower-case letters, digits and single hyphens"),
            ('"faces"', '"-faces"', "slug: must be lower-case"),
            ("slug", "slugg", "slug: this key is missing"),
            ("per_source", "per_sauce", "pairs.per_sauce: there is no such key"),
            ("= 10", "= 0", "pairs.per_source: Input should be greater than or equal to 1"),
            ("= 10", '= "ten"', "pairs.per_source: Input should be a valid integer"),
            ('"Which face is real?"', '"  "', "title: must not be empty"),
            ('"Which face is real?"', '"a\\u0000b"', "title: must not hold a NUL character"),
            ("per_source = 10", "seed = 1", 'pairs: say either per_source = N or file = "pairs.csv"'),
        ],
    )
    def test_what_cannot_be_is_one_sentence_with_its_place(self, study, path, before, after, complaint):
        with pytest.raises(BadStudy) as error:
            study(MINIMAL.replace(before, after, 1))
        assert str(error.value).startswith(f"{path}: {complaint}")
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("trials_per_participant = 0", "trials_per_participant: "),
            ("judgements = -1", "judgements: "),
            (
                'completion_url = "http://a.example/"',
                "completion_url: must be an address that begins with https",
            ),
            ('completion_url = "https:"', "completion_url: must be an address"),
            ("arms = []", "arms: "),
            (
                '[[arms]]\nname = "a"\nannotate = true\nadvice = "decision"',
                "an arm shows advice, but there is no [advice]",
            ),
            ('[[arms]]\nname = "a"\nannotate = true\nadvice = "loud"', "arms.0.advice: must be one of"),
            ('[[arms]]\nname = "a"', "arms.0.annotate: this key is missing"),
            ('[[arms]]\nname = "a"\nannotate = true\n' * 2, "two arms have the same name"),
            ("[annotation]\nmin_strokes = -1", "annotation.min_strokes: "),
        ],
    )
    def test_impossible_values_are_named(self, study, line, complaint):
        with pytest.raises(BadStudy) as error:
            study(f"{WITHOUT_PAIRS}{line}\n[pairs]\nper_source = 10\n")
        assert complaint in str(error.value)

    @pytest.mark.parametrize("text", ["slug = ", "slug = 'a'\nslug = 'b'", "\x00"])
    def test_what_is_not_toml_is_refused(self, study, text):
        with pytest.raises(BadStudy, match="this is not TOML"):
            study(text)

    def test_what_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(BadStudy, match="cannot be read: No such file"):
            load_study(tmp_path / "nothing.toml")


class TestDocumentation:
    def test_every_key_is_in_the_reference(self):
        reference = (Path(__file__).parents[2] / "docs/studies.md").read_text()
        parts = {"arms": ArmSpec, "pairs": PairsSpec, "annotation": AnnotationSpec}
        keys = {key for key in StudySpec.model_fields if key not in parts} | {"pairs.file"}
        keys |= {f"{name}.{key}" for name, part in parts.items() for key in part.model_fields}
        # `listed` is what `file` becomes when it is read.
        assert {key for key in keys if f"| `{key}` |" not in reference} == {"pairs.listed"}


class TestFileOfPairs:
    def test_it_lies_beside_the_description(self, study, path):
        (path.parent / "pairs.csv").write_text("real,fake\na.png,b.png\n\nc.png,d.png\n")
        spec = study(f'{WITHOUT_PAIRS}[pairs]\nfile = "pairs.csv"\n')
        assert [(line.real, line.fake, line.where) for line in spec.pairs.listed] == [
            ("a.png", "b.png", "pairs.csv, line 2"),
            ("c.png", "d.png", "pairs.csv, line 4"),
        ]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("fake,real\na,b", "p.csv, line 1: the header must be real,fake"),
            ("real,fake\na,b\nc", "p.csv, line 3: a line names one real and one fake image"),
            ("real,fake\na,", "p.csv, line 2: a line names one real and one fake image"),
            ('real,fake\na,"b', "p.csv, line 2: unexpected end of data"),
        ],
    )
    def test_a_malformed_line_is_named(self, text, complaint):
        with pytest.raises(BadStudy, match=complaint):
            parse_pairs(text, name="p.csv")

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ('file = "nothing.csv"', "the pairs cannot be read: No such file"),
            ("file = 3", "pairs.file: must be the name of a CSV file"),
            ('file = "pairs.csv"\nper_source = 3', "say either per_source"),
            ('file = "pairs.csv"\nsources = ["gan"]', "sources belong to per_source"),
        ],
    )
    def test_what_cannot_be_is_refused(self, study, path, line, complaint):
        (path.parent / "pairs.csv").write_text("real,fake\na.png,b.png\n")
        with pytest.raises(BadStudy, match=complaint):
            study(f"{WITHOUT_PAIRS}[pairs]\n{line}\n")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.toml"


@pytest.fixture
def study(path):
    def load(text: str) -> StudySpec:
        path.write_text(text)
        return load_study(path)

    return load
