import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import app
from app.cli import studies as _registers  # noqa: F401
from app.errors import AlreadyExists, BadInput, BadStudy, NotFound, WrongState
from app.stimuli.service import import_path
from app.storage import BlobStore
from tests.support.pictures import draw
from tests.support.worlds import Visitor


class TestStudyCommands:
    def test_a_study_is_created_opened_paused_and_closed(self, cyborg, toml):
        assert "Study faces: 4 pairs, arms annotate, control, still a draft." in cyborg("create", toml).output
        opened = cyborg("open", "faces").output
        assert "Study faces is open." in opened
        assert "/s/faces" in opened
        assert cyborg("pause", "faces").output == "Study faces is paused.\n"
        assert cyborg("close", "faces").output == "Study faces is closed.\n"

    def test_somebody_is_let_back_in(self, cyborg, toml, own_database, application):
        cyborg("create", toml)
        cyborg("open", "faces")
        settings, sessions = own_database
        with TestClient(application(settings, sessions)) as client:
            visitor = Visitor(client, "faces")
            visitor.consent(consent_version=visitor.page()["consent_version"])
            link = cyborg("let-in", "faces", visitor.participant[:8]).output.strip()
            assert link.startswith("http://127.0.0.1:8000/s/faces#r=")
            code = link.partition("#r=")[2]
            back = client.post("/api/participant/return", json={"code": code})
        assert back.json()["participant"] == visitor.participant
        assert isinstance(cyborg("let-in", "faces", "nobody").exception, NotFound)

    def test_a_draft_is_brought_back_to_an_earlier_save(self, cyborg, toml):
        cyborg("create", toml)
        text = cyborg("show", "faces").output
        Path(toml).write_text(text.replace("Which face is real?", "Other"))
        cyborg("edit", "faces", toml)
        said = cyborg("history", "faces").output
        assert [line[0] for line in said.splitlines() if " UTC " in line] == ["2", "1"]
        assert "- Which face is real?\n     + Other" in said
        assert cyborg("show", "faces", "--save", "1").output == text
        assert cyborg("restore", "faces", "1").output == "Study faces is what save 1 said, still a draft.\n"
        assert cyborg("show", "faces").output == text
        assert [one["restored"] for one in json.loads(cyborg("history", "faces", "--json").output)] == [
            1,
            None,
            None,
        ]

    def test_the_planner_says_what_a_study_takes(self, cyborg, toml):
        cyborg("create", toml)
        said = cyborg("planner", "faces", "--reward", "250").output
        assert "judgements of 4 pairs" in said
        assert "No marketplace is connected" in said
        told = json.loads(cyborg("planner", "faces", "--mean", "0.8", "--reward", "250", "--json").output)
        (row,) = told["rows"]
        assert (row["rewards"], row["total"]) == (250 * row["participants"], None)
        assert told["assumed"]["mean"] == 0.8
        assert isinstance(cyborg("planner", "faces", "--mean", "1.5").exception, BadInput)

    def test_a_pilot_is_opened_and_listed_when_asked_for(self, cyborg, toml):
        cyborg("create", toml)
        assert "http://127.0.0.1:8000/s/faces-pilot" in cyborg("pilot", "faces").output
        assert "faces-pilot" not in cyborg("list").output
        assert [line["pilot_of"] for line in json.loads(cyborg("list", "--pilots", "--json").output)] == [
            "faces"
        ]

    def test_the_list_is_a_table_or_json(self, cyborg, toml):
        assert "no study yet" in cyborg("list").output
        cyborg("create", toml)
        assert "Which face is real?" in cyborg("list").output
        assert json.loads(cyborg("list", "--json").output) == [
            {
                "slug": "faces",
                "title": "Which face is real?",
                "pilot_of": None,
                "state": "draft",
                "pairs": 4,
                "participants": 0,
                "wanted": 80,
                "decided": 0,
                "held": 0,
            }
        ]

    def test_a_draft_is_shown_edited_duplicated_and_deleted(self, cyborg, toml, tmp_path):
        cyborg("create", toml)
        shown = cyborg("show", "faces").output
        other = tmp_path / "other.toml"
        assert cyborg("show", "faces", "--out", str(other)).output == f"Study faces is written to {other}.\n"
        assert other.read_text() == shown
        other.write_text(shown.replace("judgements = 5", "judgements = 6"))
        assert "still a draft" in cyborg("edit", "faces", str(other)).output
        cyborg("duplicate", "faces", "more", "--title", "More faces")
        assert 'title = "More faces"' in cyborg("show", "more").output
        assert "judgements = 6" in cyborg("show", "more").output
        assert cyborg("delete", "faces", "--yes").output == "The draft faces is deleted.\n"
        assert [study["slug"] for study in json.loads(cyborg("list", "--json").output)] == ["more"]

    def test_what_cannot_be_done_is_said_and_changes_nothing(self, cyborg, toml, tmp_path):
        cyborg("create", toml)
        (tmp_path / "bad.toml").write_text("slug = 3")
        refusals = [
            (("create", toml), AlreadyExists, "There is a study faces already."),
            (("create", str(tmp_path / "bad.toml")), BadStudy, "bad.toml: slug: "),
            (("pause", "faces"), WrongState, "Study faces is draft; only one that is open can be paused."),
            (("open", "nowhere"), NotFound, "There is no study called 'nowhere'."),
        ]
        for words, kind, sentence in refusals:
            error = cyborg(*words).exception
            assert isinstance(error, kind)
            assert sentence in str(error)
        assert [study["state"] for study in json.loads(cyborg("list", "--json").output)] == ["draft"]


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "study.toml"
    head = 'slug = "faces"\ntitle = "Which face is real?"\ntrials_per_participant = 4\n'
    path.write_text(f"{head}[pairs]\nper_source = 4\n")
    return str(path)


@pytest.fixture
def cyborg(own_database, monkeypatch, tmp_path):
    """`cyborg study …` on a database with two real and two fake images."""
    settings, sessions = own_database
    for index in range(2):
        draw(tmp_path / f"faces/real/{index}.png", index)
        draw(tmp_path / f"faces/fake/gan/{index}.png", 10 + index)
    import_path(sessions, BlobStore(settings.blobs_url), tmp_path / "faces")
    monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(app, ["study", *words])
