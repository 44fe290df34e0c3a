"""An export explains itself, holds everything, and names nobody."""

import csv
import io
import json
import re
import zipfile
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.dashboard.maps.downloads import LIST
from app.errors import AlreadyExists
from app.exports import dictionary, queries
from app.exports.dictionary import FieldType
from app.exports.service import TABLES, export_study, members, zipped
from app.models import (
    Decision,
    Image,
    JobState,
    Label,
    MapSet,
    ParticipantState,
    QualityFlag,
    SaliencyMap,
    Source,
    Study,
    TrialKind,
    WorkerIdentity,
)
from saliency.__main__ import cli as saliency_cli
from saliency.files.spreadsheets import original
from tests.support import ROOT
from tests.support.factories import (
    AnnotationFactory,
    ArmFactory,
    DecisionFactory,
    PairFactory,
    ParticipantFactory,
    StrokeFactory,
    TrialFactory,
)
from training.data.dataset import COLUMNS
from training.data.judgements import JudgedImage, ShownPair

TABLES_OF_ALL = (*dictionary.FILES, dictionary.SAMPLES, LIST)  # dataset.json names a dataset's own things


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / name).read_text("utf-8"))))


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "annotations.jsonl").read_text("utf-8").splitlines()]


class TestExport:
    def test_it_writes_every_file_of_the_dictionary(self, exported, built):
        names = {path.name for path in exported().iterdir()}
        assert names == {file.name for file in dictionary.FILES} | {
            *("README.md", "CITATION.cff", "croissant.json", "SHA256SUMS", "maps")
        }

    def test_its_columns_are_those_of_the_dictionary(self, exported, built):
        folder = exported()
        for file in dictionary.FILES[1:]:
            if file is dictionary.OTHER_ANNOTATIONS:
                continue  # there is none here
            first = (folder / file.name).read_text("utf-8").splitlines()[0]
            found = list(json.loads(first)) if file.name.endswith("jsonl") else first.split(",")
            assert tuple(found) == file.names
        assert tuple(json.loads((folder / "study.json").read_text("utf-8"))) == dictionary.STUDY.names

    @pytest.mark.parametrize(
        ("file", "query"),
        [*TABLES, (dictionary.MAPS, queries.maps)],
        ids=lambda one: getattr(one, "name", ""),
    )
    def test_a_row_has_its_columns_in_the_order_of_the_dictionary(self, file, query):
        assert tuple(query(1).selected_columns.keys()) == file.names

    def test_it_leaves_other_studies_out(self, exported, annotation):
        folder = exported()
        assert [row["decision_id"] for row in rows_of(folder, "decisions.csv")] == [
            str(annotation.decision_id)
        ]
        assert len(rows_of(folder, "pairs.csv")) == len(rows_of(folder, "participants.csv")) == 1
        assert len(rows_of(folder, "images.csv")) == 2

    def test_a_decision_says_what_was_shown_and_chosen(self, exported, trial):
        (row,) = rows_of(exported(), "decisions.csv")
        assert row["participant"] == str(trial.participant_id)
        assert (row["question"], row["choice"], row["correct"]) == ("real", "left", "true")
        assert (row["left_image_id"], row["chosen_image_id"]) == (str(trial.left_image_id),) * 2
        assert (row["fake_source"], row["stroke_count"]) == ("generator", "2")

    def test_it_says_what_stood_in_the_way_of_a_judgement(self, exported, annotation, db):
        decision = db.get_one(Decision, annotation.decision_id)
        decision.events = [
            {"kind": "loaded", "t_ms": 0, "load_ms": 310.5},
            {"kind": "hidden", "t_ms": 1000},
            {"kind": "blur", "t_ms": 1001},
            {"kind": "visible", "t_ms": 1600},
            {"kind": "hidden", "t_ms": 2000},
            {"kind": "reload", "t_ms": 2100, "away_ms": 5000},
        ]
        db.flush()
        folder = exported()
        (row,) = rows_of(folder, "decisions.csv")
        told = [float(row[name]) for name in ("load_ms", "hidden_ms", "reloads", "away_ms")]
        assert told == [310.5, 700, 1, 5000]
        events = rows_of(folder, "events.csv")
        assert [event["kind"] for event in events] == [one["kind"] for one in decision.events]
        assert (events[5]["number"], events[5]["t_ms"]) == ("6", "2100.0")
        assert json.loads(events[5]["detail"]) == {"away_ms": 5000}

    def test_what_a_program_claims_to_have_seen_breaks_nothing(self, exported, annotation, db):
        decision = db.get_one(Decision, annotation.decision_id)
        decision.events = [
            {"kind": "loaded", "t_ms": 0, "load_ms": "long"},
            {"kind": "reload", "t_ms": 1, "away_ms": "=1+1"},
            {"kind": "hidden", "t_ms": 5},
        ]
        db.flush()
        (row,) = rows_of(exported(), "decisions.csv")
        assert [row[name] for name in ("load_ms", "hidden_ms", "reloads", "away_ms")] == [
            "",
            "0.0",
            "1",
            "0.0",
        ]

    def test_quality_flags_are_in_it(self, exported, participant, db):
        db.add(QualityFlag(participant_id=participant.id, kind="fast_decision", detail={"decision_ms": 90}))
        db.flush()
        (row,) = rows_of(exported(), "flags.csv")
        assert (row["participant"], row["kind"]) == (str(participant.id), "fast_decision")
        assert json.loads(row["detail"]) == {"decision_ms": 90}

    def test_strokes_come_out_as_the_browser_sent_them(self, exported, annotation):
        (line,) = lines_of(exported())
        assert line["strokes"] == [
            {"tool": "brush", "radius": 5.0, "points": [[10.0, 10.0, 0.0], [20.0, 10.0, 40.0]]},
            {"tool": "brush", "radius": 7.25, "points": [[0.1, 63.5, 12.5]]},
        ]

    def test_a_line_and_a_row_tell_one_fact_alike(self, exported, annotation):
        folder = exported()
        (line,), (row,) = lines_of(folder), rows_of(folder, "decisions.csv")
        shared = ["decision_id", "participant", "arm", "question", "decided_at"]
        assert [str(line[name]) for name in shared] == [row[name] for name in shared]
        assert line["image_id"] == annotation.image_id == int(row["chosen_image_id"])
        assert line["correct"] is (row["correct"] == "true")

    @pytest.mark.parametrize(
        "options",
        [
            ["--weight", "accuracy"],
            ["--weight", "fast"],
            ["--without-flag", "any"],
            ["--first-annotators", "2"],
            ["--decided-from", "2020-01-01T00:00:00+00:00"],
            ["--arm", "paint"],
            ["--question", "real"],
        ],
    )
    def test_it_feeds_every_choice_of_the_builder(self, exported, annotation, tmp_path, options):
        annotations = str(exported() / "annotations.jsonl")
        result = CliRunner().invoke(saliency_cli, ["build", annotations, str(tmp_path / "maps"), *options])
        assert result.exit_code == 0, result.output

    def test_practice_is_no_annotation_but_a_decision(self, exported, participant, pair, annotation):
        practice = TrialFactory(participant=participant, pair=PairFactory(study_id=pair.study_id))
        practice.kind = TrialKind.PRACTICE
        AnnotationFactory(decision=DecisionFactory(trial=practice))
        folder = exported()
        assert len(lines_of(folder)) == 1
        assert [row["kind"] for row in rows_of(folder, "decisions.csv")] == ["main", "practice"]
        assert rows_of(folder, "participants.csv")[0]["decisions"] == "1"

    def test_a_withdrawn_participant_leaves_no_work(self, exported, participant, db):
        participant.state = ParticipantState.WITHDRAWN
        db.commit()
        folder = exported()
        assert rows_of(folder, "decisions.csv") == lines_of(folder) == []

    def test_simulated_work_says_so_everywhere(self, exported, participant, db):
        participant.source = Source.SIMULATED
        db.commit()
        folder = exported()
        said = {rows_of(folder, name)[0]["simulated"] for name in ("participants.csv", "decisions.csv")}
        assert said == {"true"}
        assert lines_of(folder)[0]["simulated"] is True
        assert json.loads((folder / "study.json").read_text())["simulated_participants"] == 1

    def test_no_worker_id_is_in_it(self, exported, participant, trial, db):
        participant.client = {"screen": 1920, "touch": False, "agent": "A1WORKER"}
        identity = {"study_id": participant.study_id, "source": Source.MTURK, "external_id": "A1WORKER"}
        db.add(WorkerIdentity(participant_id=participant.id, assignment_id="ASSIGNMENT", **identity))
        db.commit()
        text = b"".join(path.read_bytes() for path in exported().rglob("*") if path.is_file()).decode()
        assert not any(secret in text for secret in ("A1WORKER", "ASSIGNMENT"))
        assert "1920" in text

    def test_no_code_that_people_are_paid_by_is_in_it(self, exported, study, db):
        study.completion_url = "https://pay.example/?cc=C0DE1"
        endings = {"screened_out_url": "https://pay.example", "screened_out_code": "C0DE2"}
        study.visit = {"endings": endings, "max_failed": 1}
        study.spec = {"completion_url": study.completion_url, "endings": endings, "title": study.title}
        db.commit()
        folder = exported()
        text = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).decode()
        assert "C0DE" not in text
        document = json.loads((folder / "study.json").read_text("utf-8"))
        assert (document["visit"], document["description"]) == ({"max_failed": 1}, {"title": study.title})

    def test_an_image_that_a_stale_map_set_knows_has_no_map(self, exported, built, db):
        built.stale = True
        db.commit()
        assert not (exported() / "maps").exists()

    def test_no_text_of_a_stranger_is_taken_for_a_formula(self, exported, participant, annotation, db):
        said = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "fine;=1", "'=1", "a, b\n=2", "plain"]
        participant.answers = {f"q{number}": text for number, text in enumerate(said)}
        participant.client = {"=cmd;=cmd": 1}
        for image in db.scalars(select(Image)):
            image.original_name = f"={image.id}.png"
        db.commit()
        folder = exported()
        answers = [row["answer"] for row in rows_of(folder, "answers.csv")]
        assert answers[0] == f"'{said[0]}"
        assert [original(answer) for answer in answers] == said
        for path in folder.glob("*.csv"):
            cells = chain.from_iterable(row.values() for row in rows_of(folder, path.name))
            parts = [part for text in cells for part in re.split(r"[;\t\r\n]", text)]
            assert [part for part in parts if re.match(r"[=+@-](?![\d.]+$)", part)] == []

    def test_it_is_the_same_twice(self, db, blobs, study, built):
        twice = [b"".join(zipped(db, blobs, study)) for _ in range(2)]
        assert twice[0] == twice[1]

    def test_it_is_never_written_over_another(self, exported):
        exported()
        with pytest.raises(AlreadyExists, match="exists already"):
            exported()

    def test_half_an_export_is_not_left_behind(self, db, blobs, study, built, tmp_path):
        db.query(SaliencyMap).update({"blob_hash": "gone"})
        with pytest.raises(FileNotFoundError):
            export_study(db, blobs, study, tmp_path / "out")
        assert list(tmp_path.glob("*out*")) == []

    def test_many_rows_cross_the_border_of_a_chunk(self, db, blobs, study, pair, arm):
        for n in range(300):
            ParticipantFactory(arm=arm, client={f"fact{n:04}": n} | {f"x{i}": i for i in range(40)})
        (chunks,) = (list(m.chunks) for m in members(db, blobs, study) if m.name == "participants.csv")
        assert len(chunks) > 1
        assert len(list(csv.reader(io.StringIO(b"".join(chunks).decode())))) == 301


class TestDownloads:
    def test_a_stranger_gets_none(self, client, study):
        for name in ("decisions.csv", "annotations.jsonl", "export.zip"):
            answer = client.get(f"/staff/studies/{study.slug}/{name}", headers={"accept": "*/*"})
            assert answer.status_code == 401

    def test_the_decisions_are_those_of_the_export(self, viewer, study, exported):
        answer = viewer.get(f"/staff/studies/{study.slug}/decisions.csv")
        assert answer.content == (exported() / "decisions.csv").read_bytes()
        assert f"{study.slug}-decisions.csv" in answer.headers["content-disposition"]

    def test_the_archive_holds_the_export(self, viewer, study, exported, built):
        answer = viewer.get(f"/staff/studies/{study.slug}/export.zip")
        archive = zipfile.ZipFile(io.BytesIO(answer.content))
        folder = exported()
        inside = {name: archive.read(name) for name in archive.namelist()}
        outside = {
            f"{study.slug}/{path.relative_to(folder)}": path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        assert inside == outside

    def test_an_unknown_study_is_not_found(self, viewer):
        assert viewer.get("/staff/studies/none/export.zip").status_code == 404


class TestDataDictionary:
    def test_the_page_in_the_docs_is_the_dictionary(self):
        page = ROOT / "docs" / "data-dictionary.md"
        files = dictionary.FILES + dictionary.DATASET_FILES
        assert page.read_text("utf-8") == dictionary.markdown("Data dictionary", files)

    def test_it_knows_every_column_of_a_dataset(self):
        assert dictionary.SAMPLES.names == COLUMNS
        for file, kind in ((dictionary.SHOWN_PAIRS, ShownPair), (dictionary.IMAGE_JUDGEMENTS, JudgedImage)):
            assert file.names == tuple(column.name for column in fields(kind))

    def test_a_name_has_one_type_in_all_files(self):
        types = {(field.name, field.type) for file in TABLES_OF_ALL for field in file.fields}
        names = [name for name, _ in types]
        assert sorted(name for name in set(names) if names.count(name) > 1) == []

    def test_every_image_is_told_by_an_integer(self):
        fields = [field for file in TABLES_OF_ALL for field in file.fields if field.name.endswith("image_id")]
        assert len(fields) > 8
        assert {field.type for field in fields} == {FieldType.INTEGER}

    def test_every_field_has_a_meaning(self):
        files = (*TABLES_OF_ALL, dictionary.DATASET)
        assert all(field.kind and field.meaning for file in files for field in file.fields)


@pytest.fixture(autouse=True)
def _noise(noise): ...


@pytest.fixture
def pair(db):
    return PairFactory()


@pytest.fixture
def study(db, pair):
    return db.get_one(Study, pair.study_id)


@pytest.fixture
def arm(pair):
    return ArmFactory(study_id=pair.study_id)


@pytest.fixture
def participant(arm):
    return ParticipantFactory(arm=arm)


@pytest.fixture
def trial(participant, pair):
    return TrialFactory(participant=participant, pair=pair, position=0)


@pytest.fixture
def annotation(trial):
    annotation = AnnotationFactory(decision=DecisionFactory(trial=trial))
    StrokeFactory(annotation_id=annotation.id, position=1, radius=7.25, points=[[0.1, 63.5, 12.5]])
    StrokeFactory(annotation_id=annotation.id, position=0)
    return annotation


@pytest.fixture
def built(db, blobs, study, annotation):
    map_set = MapSet(study_id=study.id, version=1, parameters={"sigma_px": 5}, state=JobState.SUCCEEDED)
    db.add(map_set)
    db.flush()
    image = db.query(Image).filter_by(label=Label.REAL, id=annotation.image_id).one()
    numbers = {"annotators": 1, "coverage": 0.1, "entropy": 3.0, "agreement": None}
    db.add(SaliencyMap(map_set_id=map_set.id, image_id=image.id, blob_hash=blobs.put(b"a map"), **numbers))
    db.commit()
    return map_set


@pytest.fixture
def exported(db, blobs, study, annotation, tmp_path):
    def export() -> Path:
        export_study(db, blobs, study, tmp_path / "out")
        return tmp_path / "out"

    return export
