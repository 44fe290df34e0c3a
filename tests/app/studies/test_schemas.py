import hashlib
import re

import pytest
from pydantic import ValidationError

from app.errors import BadStudy
from app.studies.parts import part_in
from app.studies.schemas import StudySpec, load_study, parse_pairs
from app.studies.service import consent_version
from tests.support import ROOT

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
        for promise in ("voluntary", "stop at any time", "18 years", "publish", "payment"):
            assert promise in " ".join(spec.consent.split())
        for text, words in ((spec.consent, 150), (spec.instructions, 60)):
            assert len(text.split()) > words
            assert "[" not in text

    def test_the_default_instructions_suit_every_arm(self, study):
        assert "paint" not in study(MINIMAL).instructions

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

    @pytest.mark.parametrize("text", ["slug = ", "slug = 'a'\nslug = 'b'"])
    def test_what_is_not_toml_is_refused(self, study, text):
        with pytest.raises(BadStudy, match="is not valid TOML"):
            study(text)

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_it_is_read_as_windows_editors_save_it(self, study, path, encoding):
        path.write_bytes(MINIMAL.encode(encoding))
        assert load_study(path) == study(MINIMAL)

    def test_what_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(BadStudy, match="cannot be read: No such file"):
            load_study(tmp_path / "nothing.toml")


class TestAbout:
    ABOUT = """[about]
institution = "Lab"
ethics_number = "17"
minutes = 15
pay = "£3.00"
contact = "Ada, ada@lab.example"
"""

    def test_it_is_four_lines(self, study):
        assert study(f"{MINIMAL}{self.ABOUT}").about.lines() == [
            ("Who asks", "Lab, approval 17"),
            ("Time", "about 15 minutes"),
            ("Pay", "£3.00"),
            ("Contact", "Ada, ada@lab.example"),
        ]

    def test_what_is_not_said_has_no_line(self, study):
        assert study(MINIMAL).about.lines() == []
        assert study(f"{MINIMAL}[about]\nminutes = 1\n").about.lines() == [("Time", "about 1 minute")]

    def test_another_line_is_another_version_of_the_consent(self, study):
        plain, told, more = (
            consent_version(study(f"{MINIMAL}{about}"))
            for about in ("", self.ABOUT, self.ABOUT.replace("3.00", "4.00"))
        )
        assert len({plain, told, more}) == 3
        assert plain == hashlib.sha256(study(MINIMAL).consent.encode()).hexdigest()[:12]


class TestDocumentation:
    REFERENCE = (ROOT / "docs/studies.md").read_text()

    def test_every_key_is_in_the_reference(self):
        # `listed` is what `file` becomes when it is read.
        keys = {key.replace(".listed", ".file") for key in keys_of(StudySpec)}
        assert {key for key in keys if f"| `{key}` |" not in self.REFERENCE} == set()

    def test_the_complete_description_is_one(self, study, path):
        (path.parent / "advice.csv").write_text("image,score\na.png,0.5\n")
        described = study(re.search(r"```toml\n(.*?)```", self.REFERENCE, re.DOTALL)[1])
        parts = {name: value for name, value in described if name not in ("accepts_simulated", "arms")}
        assert all(value is not None and value != () for value in parts.values())


def keys_of(part, prefix=""):
    """Every key of a description that is not a table itself, as the reference writes it."""
    for name, field in part.model_fields.items():
        inner = part_in(field.annotation)
        if inner is None or name == "listed":
            yield f"{prefix}{name}"
        else:
            yield from keys_of(inner, f"{prefix}{name}.")


WITH_TABLES = """
[quiz]
[[quiz.questions]]
text = "What?"
options = ["A", "B"]
answer = 2
[practice]
count = 2
[checks]
max_failed = 1
[[checks.pairs]]
real = "a.png"
fake = "b.png"
[[checks.regions]]
image = "a.png"
prompt = "Paint."
region = [[1, 1], [5, 1], [5, 5]]
[breaks]
every = 3
[[questions]]
id = "age"
text = "Age?"
kind = "choice"
options = ["young", "old"]
[device]
touch = false
[endings]
closed_url = "https://a.example/"
"""


class TestSteps:
    def test_what_is_described_is_read(self, study):
        spec = study(MINIMAL + WITH_TABLES)
        assert (spec.quiz.attempts, spec.quiz.questions[0].answer) == (3, 2)
        assert (spec.checks.regions[0].min_iou, spec.device.min_width) == (0.3, 320)
        assert StudySpec.model_validate(spec.model_dump(mode="json")) == spec

    @pytest.mark.parametrize(
        ("before", "after", "complaint"),
        [
            ("answer = 2", "answer = 3", "quiz.questions.0: answer = 3, but there are 2 options"),
            ('"B"]', '"A"]', "quiz.questions.0.options: two options are the same"),
            ('["A", "B"]', '["A"]', "quiz.questions.0.options: "),
            ("count = 2", "", 'practice: say either count = N or file = "practice.csv"'),
            ("count = 2", "count = 0", "practice.count: "),
            ("count = 2", "file = 3", "practice.file: must be the name of a CSV file"),
            ("max_failed = 1", "max_failed = -1", "checks.max_failed: "),
            ("[[1, 1], [5, 1], [5, 5]]", "[[1, 1], [5, 1]]", "checks.regions.0.region: "),
            (
                '"Paint."',
                '"Paint the left eye."',
                "checks.regions.0.prompt: “left eye” can be read in two ways",
            ),
            ('"Paint."', '"The right half of the face."', "“right half of the face” can be read in two ways"),
            ("every = 3", "every = 0", "breaks.every: "),
            ('id = "age"', 'id = "My age"', "questions.0.id: must be a lower-case letter"),
            ('kind = "choice"', 'kind = "text"', 'questions.0: kind = "choice" needs options'),
            ('kind = "choice"', 'kind = "scale"', "questions.0.kind: "),
            ('"https://a.example/"', '"http://a.example/"', "endings.closed_url: must be an address"),
            ("touch = false", "tuch = false", "device.tuch: there is no such key"),
        ],
    )
    def test_a_mistake_is_one_sentence_with_its_place(self, study, before, after, complaint):
        with pytest.raises(BadStudy) as error:
            study(MINIMAL + WITH_TABLES.replace(before, after, 1))
        assert complaint in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("lines", "complaint"),
        [
            ("[checks]\nmax_failed = 1", "checks: say what is checked"),
            ("[checks]\ntraps = 1000", "checks.traps: "),
            ("[checks]\ntraps = 100", "traps = 100, but a participant judges"),
            ("[annotation]\nmin_area = 0.9\nmax_area = 0.5", "annotation: min_area must be smaller"),
            ('[endings]\nquota_full_url = "ftp://x"', "endings.quota_full_url: "),
            (
                '[[questions]]\nid = "a"\ntext = "A"\nkind = "text"\n' * 2,
                "two closing questions have the same id",
            ),
        ],
    )
    def test_what_contradicts_itself_is_refused(self, study, lines, complaint):
        with pytest.raises(BadStudy, match=complaint):
            study(f"{MINIMAL}{lines}\n")

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ('exclude_studies = ["faces"]', "exclude_studies names the study itself"),
            ('exclude_studies = ["A b"]', "exclude_studies.0: must be lower-case"),
            ('debrief = " "', "debrief: must not be empty"),
        ],
    )
    def test_so_is_an_impossible_line(self, study, line, complaint):
        with pytest.raises(BadStudy, match=complaint):
            study(f"{WITHOUT_PAIRS}{line}\n[pairs]\nper_source = 10\n")

    @pytest.mark.parametrize(
        "prompt",
        ["Paint the eye on the left side of the picture.", "The left eye (on the left of the picture)."],
    )
    def test_a_prompt_may_name_a_side_of_the_picture(self, study, prompt):
        spec = study(MINIMAL + WITH_TABLES.replace("Paint.", prompt))
        assert spec.checks.regions[0].prompt == prompt

    def test_regions_need_an_arm_that_paints(self, study):
        arm = '[[arms]]\nname = "look"\nannotate = false\n'
        with pytest.raises(BadStudy, match="regions are painted, but no arm annotates"):
            study(MINIMAL + WITH_TABLES + arm)

    def test_checks_need_trials_to_be_hidden_among(self, study):
        few = f"{WITHOUT_PAIRS}trials_per_participant = 1\n[pairs]\nper_source = 10\n"
        with pytest.raises(BadStudy, match="more checks than trials"):
            study(few + WITH_TABLES)


class TestAdvice:
    ARM = '[[arms]]\nname = "helped"\nannotate = true\nadvice = "both"\n'

    def test_it_is_read_from_beside_the_description(self, study, path):
        (path.parent / "a.csv").write_text("image,score,map\nx.png,0.25,x-map.png\ny.png,1,\n")
        listed = study(f'{MINIMAL}[advice]\nfile = "a.csv"\n{self.ARM}').advice.listed
        assert [(line.score, line.map) for line in listed] == [(0.25, path.parent / "x-map.png"), (1, None)]

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("image,probability\nx,1", "line 1: the header must be image,score or image,score,map"),
            ("image,score\nx,2", "line 2: the score is a probability from 0 to 1, not '2'"),
            ("image,score\nx,nan", "line 2: the score is a probability"),
            ("image,score\n,1", "line 2: a line names an image, its score"),
            ("image,score\n", "advice.listed: "),
        ],
    )
    def test_a_malformed_line_is_named(self, study, path, text, complaint):
        (path.parent / "a.csv").write_text(text)
        with pytest.raises(BadStudy, match=complaint):
            study(f'{MINIMAL}[advice]\nfile = "a.csv"\n{self.ARM}')

    def test_advice_that_no_arm_shows_is_refused(self, study, path):
        (path.parent / "a.csv").write_text("image,score\nx,1\n")
        with pytest.raises(BadStudy, match="there is advice, but no arm shows it"):
            study(f'{MINIMAL}[advice]\nfile = "a.csv"\n')


class TestFileOfPairs:
    def test_it_lies_beside_the_description(self, study, path):
        (path.parent / "pairs.csv").write_text("real,fake\na.png,b.png\n\nc.png,d.png\n")
        spec = study(f'{WITHOUT_PAIRS}[pairs]\nfile = "pairs.csv"\n')
        assert [(line.real, line.fake, line.where) for line in spec.pairs.listed] == [
            ("a.png", "b.png", "pairs.csv, line 2"),
            ("c.png", "d.png", "pairs.csv, line 4"),
        ]

    @pytest.mark.parametrize("text", ["\ufeffreal,fake\na,b\n", "real;fake\na;b\n", "real\tfake\na\tb"])
    def test_it_is_read_as_spreadsheets_save_it(self, text):
        assert parse_pairs(text, name="p") == [{"real": "a", "fake": "b", "where": "p, line 2"}]

    def test_a_line_separator_of_unicode_is_part_of_a_name(self, study, path):
        (path.parent / "pairs.csv").write_bytes("real,fake\na\u2028.png,b\x85.png\n".encode("utf-16"))
        (line,) = study(f'{WITHOUT_PAIRS}[pairs]\nfile = "pairs.csv"\n').pairs.listed
        assert (line.real, line.fake) == ("a\u2028.png", "b\x85.png")

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
            ('file = "nothing.csv"', "nothing.csv cannot be read: No such file"),
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
