import json

import pytest
from typer.testing import CliRunner

from app.cli import app, run
from app.cli import images as _registers  # noqa: F401
from app.errors import BadInput
from tests.app.pictures import draw


class TestImportCommand:
    def test_it_names_what_it_refused_and_sums_up(self, cyborg, faces):
        (faces / "real/empty.png").touch()
        result = cyborg("images", "import", str(faces))
        assert result.output.splitlines() == [
            "real/empty.png: is empty.",
            "2 images imported, 0 already there, 1 refused.",
        ]
        assert result.exit_code == 0

    def test_importing_again_is_no_failure(self, cyborg, faces):
        cyborg("images", "import", str(faces))
        result = cyborg("images", "import", str(faces), "--json")
        assert json.loads(result.output) == {"imported": 0, "already_there": 2, "refused": []}
        assert result.exit_code == 0

    def test_scripts_get_the_reasons_as_json(self, cyborg, faces):
        (faces / "real/empty.png").touch()
        refused = json.loads(cyborg("images", "import", str(faces), "--json").output)["refused"]
        assert refused == [{"file": "real/empty.png", "reason": "is empty."}]

    def test_nothing_usable_is_a_failure(self, cyborg, tmp_path):
        (tmp_path / "faces/real").mkdir(parents=True)
        (tmp_path / "faces/real/empty.png").touch()
        result = cyborg("images", "import", str(tmp_path / "faces"))
        assert "real/empty.png: is empty." in result.output
        assert isinstance(result.exception, BadInput)
        assert "no image in it can be used" in str(result.exception)

    def test_a_complaint_is_one_line_with_the_name_as_it_is(self, cyborg, monkeypatch, capsys):
        monkeypatch.setattr("sys.argv", ["cyborg", "images", "import", "[/bold] [red].csv"])
        with pytest.raises(SystemExit, match="1"):
            run()
        assert capsys.readouterr().err == "cyborg: [/bold] [red].csv: there is no such manifest or folder.\n"

    def test_an_impossible_size_is_refused_before_anything_is_read(self, cyborg, faces):
        assert cyborg("images", "import", str(faces), "--size", "5").exit_code == 2


@pytest.fixture
def faces(tmp_path):
    draw(tmp_path / "faces/real/a.png", 1)
    draw(tmp_path / "faces/fake/gan/b.png", 2)
    return tmp_path / "faces"


@pytest.fixture
def cyborg(own_database, monkeypatch):
    settings, _ = own_database
    monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(app, words)
