import json

import pytest
from typer.testing import CliRunner

from app.cli import app, run
from app.cli import images as _registers  # noqa: F401
from app.errors import BadInput
from tests.support.pictures import draw


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
        nothing = {"refused": [], "kept": [], "remarks": []}
        assert json.loads(result.output) == {"imported": 0, "already_there": 2, **nothing}
        assert result.exit_code == 0

    def test_a_split_that_comes_too_late_is_said_with_the_way_to_it(self, cyborg, faces):
        cyborg("images", "import", str(faces))
        again = manifest(faces, "real/a.png,real,real,test", "fake/gan/b.png,fake,gan,")
        assert cyborg("images", "import", str(again)).output.splitlines() == [
            "real/a.png: is there already; its split stays empty, test is not taken.",
            "`cyborg images split` sets splits, as long as no dataset holds the images.",
            "0 images imported, 2 already there, 0 refused.",
        ]
        kept = json.loads(cyborg("images", "import", str(again), "--json").output)["kept"]
        assert kept == [{"file": "real/a.png", "field": "split", "stored": "", "given": "test"}]

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


class TestSplitCommand:
    def test_it_takes_the_manifest_and_sums_up(self, cyborg, faces):
        cyborg("images", "import", str(faces))
        again = manifest(faces, "real/a.png,real,real,test", "fake/gan/b.png,fake,gan,")
        assert cyborg("images", "split", str(again)).output.splitlines() == [
            "1 images have the split test now.",
            "1 had their split already.",
        ]
        result = json.loads(cyborg("images", "split", str(again), "--json").output)
        assert result == {"changed": {}, "unchanged": 2}

    def test_it_deals_out_fractions(self, cyborg, faces):
        for number in range(3, 9):
            draw(faces / f"{('real', 'fake/gan')[number % 2]}/{number}.png", number)
        cyborg("images", "import", str(faces))
        result = cyborg("images", "split", "--val", "0.25", "--test", "0.5")
        assert result.output.splitlines() == [
            "4 images have the split test now.",
            "2 images have the split val now.",
        ]

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            ([], "either a file"),
            (["splits.csv", "--test", "0.5"], "either a file"),
            (["--val", "0.5", "--test", "0.5"], "must leave something to train on"),
            (["nowhere.csv"], "nowhere.csv cannot be read: No such file or directory"),
        ],
    )
    def test_a_mistake_is_one_sentence(self, cyborg, words, complaint):
        assert complaint in str(cyborg("images", "split", *words).exception)


def manifest(faces, *rows: str):
    path = faces / "manifest.csv"
    path.write_text("\n".join(["path,label,source,split", *rows]))
    return path


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
