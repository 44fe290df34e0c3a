"""Analyses of a study in the database: what counts, what is kept, what staff see, what the command writes."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from typer.testing import CliRunner

from accuracy.analyse import analyse_file
from accuracy.decisions.exported import read_decisions as read_decisions_file
from accuracy.reporting.tidy import DECISION_FIELDS
from app.analysis import queries
from app.analysis.queries import Choice
from app.analysis.reading import read_decisions
from app.analysis.requests import request_analysis
from app.analysis.service import compute, run_analysis
from app.background import Interrupted
from app.cli import analysis as command
from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers every command
from app.exports.service import export_study
from app.models import (
    Decision,
    Image,
    JobState,
    Participant,
    ParticipantState,
    QualityFlag,
    Question,
    Role,
    Side,
    Source,
    StudyAnalysis,
    TrialKind,
    TrialState,
)
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    StudyFactory,
    TrialFactory,
)


@pytest.fixture
def study(db):
    return StudyFactory(slug="faces", title="Faces")


@pytest.fixture
def arms(study):
    return [
        ArmFactory(study_id=study.id, name=name, annotate=name == "annotate")
        for name in ("annotate", "control")
    ]


@pytest.fixture
def pairs(study):
    return [PairFactory(study_id=study.id) for _ in range(3)]


@pytest.fixture
def visit(pairs):
    """A participant who decides every pair; `right` says which of them correctly."""

    def take_part(arm, right=(True, True, False), *, kind=TrialKind.MAIN, **fields) -> Participant:
        person = ParticipantFactory(arm=arm, **fields)
        for position, (pair, correct) in enumerate(zip(pairs, right, strict=True)):
            trial = TrialFactory(
                participant=person, pair=pair, kind=kind, position=position, state=TrialState.DECIDED
            )
            decision = DecisionFactory(
                trial=trial, correct=correct, choice=Side.LEFT if correct else Side.RIGHT
            )
            if arm.annotate and kind is TrialKind.MAIN:
                StrokeFactory(annotation_id=AnnotationFactory(decision=decision).id)
        return person

    return take_part


@pytest.fixture
def crowd(arms, visit, noise):
    """Two people in each arm."""
    return [visit(arm) for arm in arms for _ in range(2)]


@pytest.fixture
def undrawn(monkeypatch):
    """Reports take seconds to draw: left to the tests that look at them."""
    monkeypatch.setattr("app.analysis.service.draw", lambda _figures: [])
    monkeypatch.setattr("app.analysis.service.pdf", lambda *_: b"%PDF")
    monkeypatch.setattr("accuracy.reporting.files.draw", lambda _figures: [])
    monkeypatch.setattr("accuracy.reporting.files.pdf", lambda *_: b"%PDF")


class TestWhatCounts:
    def test_every_main_decision_has_its_columns(self, db, study, crowd):
        frame = read_decisions(db, study.id, Choice()).frame
        assert len(frame) == 12
        assert set(frame["arm"]) == {"annotate", "control"}
        assert list(frame["position"][:3]) == [1, 2, 3]
        assert set(frame["answer"]) == {"left"}
        assert frame["correct"].mean() == pytest.approx(2 / 3)
        assert set(frame["source"]) == {"generator"}

    def test_the_answer_to_which_is_fake_is_the_other_side(self, db, study, arms, pairs):
        person = ParticipantFactory(arm=arms[0])
        trial = TrialFactory(participant=person, pair=pairs[0], question=Question.FAKE)
        DecisionFactory(trial=trial)
        assert set(read_decisions(db, study.id, Choice()).frame["answer"]) == {"right"}

    @pytest.mark.parametrize("kind", [TrialKind.PRACTICE, TrialKind.CHECK])
    def test_practice_and_checks_never_count(self, db, study, arms, visit, kind):
        visit(arms[0], kind=kind)
        assert read_decisions(db, study.id, Choice()).frame.empty

    @pytest.mark.parametrize("state", [ParticipantState.WITHDRAWN, ParticipantState.SCREENED_OUT])
    def test_who_withdrew_or_was_screened_out_never_counts(self, db, study, arms, visit, state):
        visit(arms[0], state=state)
        assert read_decisions(db, study.id, Choice()).frame.empty

    def test_programs_are_apart(self, db, study, arms, visit, crowd):
        visit(arms[0], source=Source.SIMULATED)
        assert len(read_decisions(db, study.id, Choice()).frame) == 12
        frame = read_decisions(db, study.id, Choice("simulated")).frame
        assert len(frame) == 3
        assert frame["simulated"].all()
        assert queries.whose(db, study.id) == "people"

    def test_programs_alone_are_what_there_is(self, db, study, arms, visit):
        visit(arms[0], source=Source.SIMULATED)
        assert queries.whose(db, study.id) == "simulated"

    def test_a_flag_leaves_a_participant_out_when_asked(self, db, study, crowd):
        flag(db, crowd[0])
        assert len(read_decisions(db, study.id, Choice()).frame) == 12
        assert len(read_decisions(db, study.id, Choice(without=("too_fast",))).frame) == 9
        assert queries.flag_kinds(db, study.id, "people") == [("too_fast", 1)]


class TestReport:
    def test_it_is_computed_and_kept(self, db, session_factory, blobs, study, crowd):
        found = computed(db, session_factory, blobs, study)
        assert found.state is JobState.SUCCEEDED
        assert found.done == 100
        assert len(found.inputs_hash) == 64
        assert found.result["decisions"] == 12
        assert blobs.get(found.files["report.pdf"]).startswith(b"%PDF")
        assert b"Faces" in blobs.get(found.files["report.html"])
        assert b"average-maps" in json.dumps(found.figures).encode()

    def test_its_files_come(self, db, session_factory, blobs, editor, study, crowd):
        computed(db, session_factory, blobs, study)
        for name in ("report.html", "report.pdf", "estimates.csv", "decisions.csv", "figures/accuracy.svg"):
            assert editor.get(f"{ADDRESS}/1/{name}").status_code == 200
        table = editor.get(f"{ADDRESS}/1/decisions.csv").text
        assert table.splitlines()[0] == ",".join(name for name in DECISION_FIELDS if name != "area")
        for name in ("secrets.txt", "figures/none.svg"):
            assert editor.get(f"{ADDRESS}/1/{name}").status_code == 404
        assert editor.get(f"{ADDRESS}/9/report.html").status_code == 404


@pytest.mark.usefixtures("undrawn")
class TestAnalysis:
    def test_the_same_again_is_the_same(self, db, session_factory, blobs, study, crowd):
        found = computed(db, session_factory, blobs, study)
        assert request_analysis(db, study, Choice(), staff_id=None).id == found.id

    def test_another_decision_makes_another(self, db, session_factory, blobs, study, arms, visit, crowd):
        first = computed(db, session_factory, blobs, study)
        visit(arms[1])
        again = computed(db, session_factory, blobs, study)
        assert again.version == first.version + 1
        assert again.inputs_hash != first.inputs_hash

    def test_an_empty_study_says_so(self, db, session_factory, blobs, study):
        found = computed(db, session_factory, blobs, study)
        assert [one["code"] for one in found.result["cautions"]] == ["empty"]

    def test_flagged_ones_are_shown_with_and_without(self, db, session_factory, blobs, study, crowd):
        flag(db, crowd[0])
        found = computed(db, session_factory, blobs, study, Choice(without=("too_fast",)))
        assert found.result["decisions"] == 9
        main = [one for one in found.result["estimates"] if one["measure"] == "difference"]
        assert {one["decisions"] for one in main} == {9, 12}
        assert "1 of 4 participants are left out" in found.result["notes"][0]

    def test_a_worker_that_stops_leaves_it_waiting(self, db, session_factory, blobs, study, crowd):
        asked = request_analysis(db, study, Choice(), staff_id=None)
        db.commit()
        with pytest.raises(Interrupted):
            run_analysis(session_factory, blobs, asked.id, should_stop=lambda: JobState.QUEUED)
        db.refresh(asked)
        assert asked.state is JobState.QUEUED

    def test_a_failure_is_told(self, db, session_factory, blobs, study, crowd, monkeypatch):
        monkeypatch.setattr("app.analysis.service.analyse_beside", lambda *_, **__: 1 / 0)
        asked = request_analysis(db, study, Choice(), staff_id=None)
        db.commit()
        with pytest.raises(ZeroDivisionError):
            run_analysis(session_factory, blobs, asked.id)
        db.refresh(asked)
        assert asked.state is JobState.FAILED
        assert "ZeroDivisionError" in asked.error


@pytest.mark.usefixtures("undrawn")
class TestPage:
    def test_without_an_analysis_it_says_so(self, editor, study):
        assert "No analysis yet" in editor.get(ADDRESS).text

    def test_asking_queues_one_and_the_page_waits(self, db, editor, study, crowd):
        assert editor.post(ADDRESS, data={"who": "people"}).status_code == 303
        page = editor.get(ADDRESS).text
        assert "data-waits" in page
        assert editor.get(f"{ADDRESS}/state.json").json() == {"1": {"state": "queued", "done": 0, "total": 0}}

    def test_one_that_waits_can_be_aborted_from_the_page(self, db, editor, study, crowd):
        editor.post(ADDRESS, data={"who": "people"})
        assert f'action="{ADDRESS}/1/abort"' in editor.get(ADDRESS).text
        assert editor.post(f"{ADDRESS}/1/abort").headers["location"] == ADDRESS
        assert db.scalars(select(StudyAnalysis.state)).one() is JobState.ABORTED

    def test_it_shows_what_was_found(self, db, session_factory, blobs, editor, study, crowd):
        computed(db, session_factory, blobs, study)
        page = editor.get(ADDRESS).text
        assert "annotate − control" in page
        assert "few_participants" not in page
        assert "can be trusted from 10 on" in page

    def test_the_hardest_and_easiest_pairs_are_shown_with_both_pictures(
        self, db, session_factory, blobs, editor, study, crowd, pairs
    ):
        computed(db, session_factory, blobs, study)
        page = editor.get(ADDRESS).text
        hardest, easiest = page.split(' pairs">')[1:3]
        for image in (pairs[2].real_image_id, pairs[2].fake_image_id):
            assert f'src="/staff/images/{image}/picture?width=256"' in hardest
        assert "0 of 4 correct" in hardest
        assert "annotate: 0 of 2" in hardest
        assert "4 of 4 correct" in easiest.partition("</ol>")[0]

    def test_a_pair_that_is_gone_has_no_picture(
        self, db, session_factory, blobs, editor, study, crowd, monkeypatch
    ):
        found = computed(db, session_factory, blobs, study)
        estimates = found.result["estimates"]
        gone = [one | {"within": one["within"].replace("item=", "item=9")} for one in estimates]
        found.result = found.result | {"estimates": gone}
        db.commit()
        assert "Hardest and easiest" not in editor.get(ADDRESS).text

    def test_it_says_how_decisions_from_elsewhere_come_beside(
        self, db, session_factory, blobs, editor, study, crowd
    ):
        computed(db, session_factory, blobs, study)
        assert "cyborg analyse faces --compare OTHER.csv --columns MAP.toml" in editor.get(ADDRESS).text

    def test_who_withdraws_makes_it_stale_and_leaves_the_table(
        self, db, session_factory, blobs, editor, study, crowd
    ):
        computed(db, session_factory, blobs, study)
        crowd[0].state = ParticipantState.WITHDRAWN
        db.commit()
        assert "The study has changed since" in editor.get(ADDRESS).text
        assert str(crowd[0].id) not in editor.get(f"{ADDRESS}/1/decisions.csv").text

    def test_programs_are_labelled(self, db, session_factory, blobs, editor, study, arms, visit):
        visit(arms[0], source=Source.SIMULATED)
        computed(db, session_factory, blobs, study, Choice("simulated"))
        assert "These decisions come from programs" in editor.get(ADDRESS).text

    def test_flags_can_be_chosen_and_unknown_ones_not(self, db, editor, study, crowd):
        flag(db, crowd[0])
        assert 'value="too_fast"' in editor.get(ADDRESS).text
        assert editor.post(ADDRESS, data={"who": "people", "without": "too_fast"}).status_code == 303
        assert db.scalars(select(StudyAnalysis)).one().parameters["without"] == ["too_fast"]
        assert editor.post(ADDRESS, data={"who": "people", "without": "nonsense"}).status_code == 422

    def test_viewers_look_but_do_not_ask(self, log_in, study):
        viewer = log_in(Role.VIEWER)
        assert viewer.get(ADDRESS).status_code == 200
        assert viewer.post(ADDRESS, data={"who": "people"}).status_code == 403

    def test_strangers_see_nothing(self, client, study):
        assert client.get(f"{ADDRESS}/1/decisions.csv").status_code == 401


FILE = "who,group,correct\n" + "".join(
    f"{p},{'AB'[p % 2]},{(p + t) % 3 > 0:d}\n" for p in range(24) for t in range(6)
)
COLUMNS = """
name = "Elsewhere"
design = "2afc"
[columns]
participant = "who"
arm = "group"
correct = "correct"
"""


@pytest.mark.usefixtures("undrawn")
class TestCommand:
    @pytest.fixture
    def other(self, tmp_path):
        (tmp_path / "other.csv").write_text(FILE)
        (tmp_path / "columns.toml").write_text(COLUMNS)
        return ["--compare", str(tmp_path / "other.csv"), "--columns", str(tmp_path / "columns.toml")]

    @pytest.fixture
    def own(self, monkeypatch, session_factory, settings, blobs):
        """The command on the test's own transaction."""
        from contextlib import nullcontext

        from app.cli.context import Context

        opened = Context(settings, None, session_factory, blobs)
        monkeypatch.setattr(command, "opened", lambda: nullcontext(opened))

    def test_a_file_is_analysed_by_itself(self, tmp_path, other):
        out = tmp_path / "out"
        done = CliRunner().invoke(cli, ["analyse", *other, "--out", str(out)])
        assert done.exit_code == 0
        assert "Elsewhere: 144 decisions of 24 participants." in done.stdout
        names = {path.name for path in out.iterdir()}
        assert {"report.html", "report.pdf", "decisions.csv", "estimates.csv"} <= names

    def test_a_study_is_compared_with_it(self, db, own, study, crowd, other, tmp_path):
        done = CliRunner().invoke(cli, ["analyse", "faces", *other, "--json", "--out", str(tmp_path / "out")])
        assert done.exit_code == 0, done.exception
        first, second = json.loads(done.stdout)
        assert first["arms"] == ["Elsewhere: A", "Elsewhere: B", "control", "annotate"]
        assert second["name"] == "Elsewhere"
        assert (tmp_path / "out" / "study" / "report.pdf").is_file()
        assert (tmp_path / "out" / "compared" / "report.pdf").is_file()

    def test_the_files_that_it_says_it_wrote_are_there(self, db, own, study, crowd, other, tmp_path):
        done = CliRunner().invoke(cli, ["analyse", "faces", *other, "--out", str(tmp_path / "out")])
        told = re.findall(r"^Wrote (.*): (.*) and the figures\.$", done.stdout, re.M)
        assert [Path(folder).name for folder, _ in told] == ["study", "compared"]
        assert all((Path(folder) / name).is_file() for folder, names in told for name in names.split(", "))

    def test_programs_of_a_study_are_never_mixed_with_people_of_a_file(
        self, db, own, study, arms, visit, noise, other
    ):
        for arm in arms:
            visit(arm, source=Source.SIMULATED)
        done = CliRunner().invoke(cli, ["analyse", "faces", *other, "--json"])
        assert done.exit_code == 0, done.exception
        first, second = json.loads(done.stdout)
        assert (first["simulated"], first["arms"]) == (True, ["control", "annotate"])
        assert (second["simulated"], second["arms"]) == (False, ["A", "B"])
        said = [one["sentence"] for one in first["cautions"] if one["code"] == "never_mixed"]
        (sentence,) = said
        assert sentence == (
            "Not compared: Elsewhere. It has decisions of people, this analysis those of programs, and "
            "the two are never mixed."
        )

    def test_programs_of_a_file_are_compared_with_programs(
        self, db, own, study, arms, visit, noise, tmp_path
    ):
        for arm in arms:
            visit(arm, source=Source.SIMULATED)
        (tmp_path / "other.csv").write_text(FILE)
        (tmp_path / "columns.toml").write_text(f"simulated = true\n{COLUMNS}")
        files = ["--compare", str(tmp_path / "other.csv"), "--columns", str(tmp_path / "columns.toml")]
        first, second = json.loads(CliRunner().invoke(cli, ["analyse", "faces", *files, "--json"]).stdout)
        assert first["arms"] == ["Elsewhere: A", "Elsewhere: B", "control", "annotate"]
        assert [first["simulated"], second["simulated"]] == [True, True]

    def test_a_file_of_another_design_is_named_and_what_it_needed_stays_out(
        self, db, own, study, crowd, tmp_path
    ):
        (tmp_path / "other.csv").write_text(f"{FILE}99,A,\n")
        (tmp_path / "columns.toml").write_text(COLUMNS.replace("2afc", "single"))
        files = ["--compare", str(tmp_path / "other.csv"), "--columns", str(tmp_path / "columns.toml")]
        first, second = json.loads(CliRunner().invoke(cli, ["analyse", "faces", *files, "--json"]).stdout)
        (note,) = first["notes"]
        assert note.startswith("Elsewhere has another design, and a share correct of single images is not")
        beside = [(one["measure"], one["of"]) for one in first["estimates"] if one["section"] == "designs"]
        assert beside == [("accuracy", "Elsewhere: A"), ("accuracy", "Elsewhere: B")]
        assert first["arms"] == ["control", "annotate"]
        assert second["notes"] == ["1 line left out, no value for correct (line 146)."]

    def test_a_file_without_sources_leaves_no_empty_rows(self, db, own, study, crowd, pairs, other):
        db.get_one(Image, pairs[0].fake_image_id).source = "another generator"
        db.commit()
        first, _ = json.loads(CliRunner().invoke(cli, ["analyse", "faces", *other, "--json"]).stdout)
        by_source = [one for one in first["estimates"] if one["section"] == "sources"]
        assert {one["of"] for one in by_source} == {"annotate − control"}
        assert all(one["value"] is not None for one in by_source)
        said = {one["sentence"] for one in first["cautions"] if one["code"] == "no_column"}
        assert (
            "No source is known in Elsewhere: A, Elsewhere: B: what is said by source leaves them out."
        ) in said

    def test_numbers_stay_whole_in_eighty_columns(self, db, own, study, crowd, other, tmp_path):
        long = COLUMNS.replace("Elsewhere", "A study with a long name that somebody did elsewhere")
        (tmp_path / "columns.toml").write_text(long)
        shown = CliRunner().invoke(cli, ["analyse", "faces", *other], env={"COLUMNS": "80"}).stdout
        rows = [line for line in shown.splitlines() if line.startswith(("Accuracy", "Difference"))]
        assert rows
        value = r"\d+\.\d %|[+−]\d+\.\d points|−?\d\.\d\d"
        bound = r"[+−]?\d+\.\d\d?(?: %)?"
        for row in rows:
            assert len(row) <= 80
            assert re.search(
                rf"  ({value})  +({bound} to {bound}  .*)?(\d of \d+|(these|other) pairs) *$", row
            )

    def test_it_says_which_pictures_an_interval_is_for(self, db, own, study, crowd, other):
        shown = CliRunner().invoke(cli, ["analyse", "faces"], env={"COLUMNS": "100"}).stdout
        said = re.findall(r"^(d′|Difference|Permutation test) .* (\w+ pairs) *$", shown, re.M)
        assert said == [
            *[("d′", "other pairs")] * 2,
            ("Difference", "other pairs"),
            ("Difference", "these pairs"),
            ("Permutation test", "these pairs"),
            ("Difference", "other pairs"),  # in d′
        ]
        alone = CliRunner().invoke(cli, ["analyse", *other], env={"COLUMNS": "100"}).stdout
        assert "other pairs" not in alone

    def test_its_table_has_the_columns_that_the_documentation_names(self, db, own, study, crowd, tmp_path):
        CliRunner().invoke(cli, ["analyse", "faces", "--out", str(tmp_path)])
        first, second, *_ = (tmp_path / "decisions.csv").read_text().splitlines()
        assert first == ",".join(DECISION_FIELDS)
        cells = dict(zip(first.split(","), second.split(","), strict=True))
        assert (cells["correct"], cells["position"]) in {("0", "1"), ("1", "1")}

    def test_a_study_alone(self, db, own, study, crowd):
        done = CliRunner().invoke(cli, ["analyse", "faces"])
        assert "Faces: 12 decisions of 4 participants." in done.stdout
        assert "+0.0 points" in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ([], "Give the name of a study"),
            (["--compare", "x.csv"], "go together"),
            (["nowhere"], "nowhere"),
            (["faces", "--exclude-flag", "nope"], "nope; there are too_fast."),
        ],
    )
    def test_a_mistake_is_one_sentence(self, db, own, study, crowd, arguments, complaint):
        flag(db, crowd[0])
        done = CliRunner().invoke(cli, ["analyse", *arguments])
        assert complaint in str(done.exception)

    def test_flags_belong_to_a_study(self, other):
        done = CliRunner().invoke(cli, ["analyse", *other, "--exclude-flag", "too_fast"])
        assert "choose participants of a study" in str(done.exception)

    def test_a_withdrawn_decision_is_gone_from_the_next(self, db, own, study, crowd):
        db.execute(delete(Decision))
        db.commit()
        done = CliRunner().invoke(cli, ["analyse", "faces"])
        assert "0 decisions" in done.stdout


class TestExportedFile:
    def test_without_the_platform_it_gives_the_estimates_of_the_study(
        self, db, blobs, study, arms, visit, crowd, tmp_path
    ):
        visit(arms[0], kind=TrialKind.PRACTICE)
        visit(arms[0], state=ParticipantState.SCREENED_OUT)
        visit(arms[1], source=Source.SIMULATED)
        export_study(db, blobs, study, tmp_path / "out")
        file = read_decisions_file(tmp_path / "out" / "decisions.csv", None)
        here, there = compute(db, study, Choice()), analyse_file(file)
        of_areas = {one for one in here.analysis.estimates if one.measure.endswith("area")}
        assert set(there.analysis.estimates) == set(here.analysis.estimates) - of_areas
        assert there.analysis.name == study.title


ADDRESS = "/staff/studies/faces/analysis"


def flag(db, person) -> None:
    db.add(QualityFlag(participant_id=person.id, kind="too_fast", detail={}))
    db.commit()


def computed(db, session_factory, blobs, study, choice=Choice()) -> StudyAnalysis:  # noqa: B008 - frozen
    asked = request_analysis(db, study, choice, staff_id=None)
    db.commit()
    run_analysis(session_factory, blobs, asked.id)
    db.expire_all()
    return db.get_one(StudyAnalysis, asked.id)
