import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app, run
from app.cli import images as _registers  # noqa: F401
from app.errors import BadInput
from app.stimuli.image_archive import _checked
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
        nothing = {"refused": [], "kept": [], "remarks": [], "warnings": []}
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


class TestAudit:
    def test_files_whose_quality_follows_the_label_are_warned_of_when_they_are_imported(self, cyborg, told):
        lines = cyborg("images", "import", str(told)).output.splitlines()
        assert lines[0] == "40 images imported, 0 already there, 0 refused."
        assert any("how the files are compressed: AUC 1.000" in line for line in lines[1:])
        assert cyborg("images", "import", str(told)).output.count("Warning") == 0  # nothing new came

    def test_it_looks_at_files_without_importing_them(self, cyborg, told, monkeypatch):
        monkeypatch.setenv("CYBORG_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        record = json.loads(cyborg("images", "audit", str(told), "--json").output)
        assert (record["real"], record["fake"]) == (20, 20)
        assert {one["group"]: one["estimate"]["auc"] for one in record["findings"]}["encoding"] >= 0.95

    def test_it_remembers_what_files_were_and_looks_at_stored_pictures(self, cyborg, told):
        cyborg("images", "import", str(told))
        output = cyborg("images", "audit").output
        assert "Warning: Real and fake images can be told apart by how the files are compressed" in output
        assert "the background at the border" in output

    def test_few_images_are_one_sentence(self, cyborg, faces):
        refused = cyborg("images", "audit", str(faces)).exception
        assert str(refused) == "An audit needs at least 20 images of either label."

    def test_two_things_at_once_are_refused(self, cyborg, faces):
        refused = cyborg("images", "audit", str(faces), "--study", "x").exception
        assert str(refused) == "Audit either files, or a study, or a dataset."


class TestArchives:
    def test_one_with_a_folder_in_it_is_that_folder(self, cyborg, faces, tmp_path):
        (faces / ".hidden").touch()
        packed = shutil.make_archive(tmp_path / "faces", "zip", tmp_path, faces.name)
        assert cyborg("images", "import", packed).output == "2 images imported, 0 already there, 0 refused.\n"

    def test_one_with_a_manifest_is_read_by_it(self, cyborg, faces, tmp_path):
        manifest(faces, "real/a.png,real,london,", "fake/gan/b.png,fake,gan,test")
        packed = shutil.make_archive(tmp_path / "packed", "zip", faces)
        assert "2 images imported" in cyborg("images", "import", packed).output
        assert (
            cyborg("images", "tag", "--source", "london", "--add", "calm").output == "1 images are tagged.\n"
        )

    def test_a_mistake_in_its_manifest_names_the_archive(self, cyborg, faces, tmp_path):
        manifest(faces, "real/a.png,nonsense,london,")
        packed = shutil.make_archive(tmp_path / "packed", "zip", faces)
        said = str(cyborg("images", "import", packed).exception)
        assert said.startswith(f"{packed}/manifest.csv, line 2")

    def test_a_file_that_its_manifest_does_not_name_is_told(self, cyborg, faces, tmp_path):
        manifest(faces, "real/a.png,real,london,")
        packed = shutil.make_archive(tmp_path / "packed", "zip", faces)
        said = cyborg("images", "import", packed).output.splitlines()
        assert said == [
            "fake/gan/b.png: is left out: manifest.csv does not name it.",
            "1 images imported, 0 already there, 1 refused.",
        ]

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"filename": "../real/x.png"}, "outside of itself: ../real/x.png"),
            ({"filename": "/real/x.png"}, "outside of itself"),
            ({"filename": "C:\\x.png"}, "outside of itself"),
            ({"external_attr": 0o120777 << 16}, "holds a link: real/x.png"),
            ({"flag_bits": 1}, "is encrypted: real/x.png"),
            ({"compress_type": zipfile.ZIP_LZMA}, "packed in an unusual way"),
            ({"file_size": 600_000_000}, "unpacks to 600 MB"),
        ],
    )
    def test_what_a_browser_refuses_is_refused(self, change, complaint):
        entry = zipfile.ZipInfo("real/x.png")
        for name, value in change.items():
            setattr(entry, name, value)
        with pytest.raises(BadInput, match=re.escape(complaint)):
            _checked([entry], free=10**12)

    def test_one_that_fills_the_disk_is_refused(self):
        entry = zipfile.ZipInfo("real/x.png")
        entry.file_size = 400_000_000
        with pytest.raises(BadInput, match=r"unpacks to 4.0 GB, and 3.0 GB are free"):
            _checked([entry] * 10, free=3 * 10**9)

    def test_one_that_is_cut_off_is_refused(self, cyborg, faces, tmp_path):
        packed = Path(shutil.make_archive(tmp_path / "packed", "zip", faces))
        packed.write_bytes(packed.read_bytes()[:-30])
        assert "is no whole ZIP archive" in str(cyborg("images", "import", str(packed)).exception)


class TestTagCommand:
    def test_it_tags_what_a_filter_finds(self, cyborg, faces):
        cyborg("images", "import", str(faces))
        assert cyborg("images", "tag", "--label", "real", "--add", "Calm").output == "1 images are tagged.\n"
        assert (
            cyborg("images", "tag", "--tagged", "calm", "--remove", "calm").output == "1 images are tagged.\n"
        )
        assert cyborg("images", "tag", "--tagged", "calm", "--add", "x").output == "0 images are tagged.\n"

    @pytest.mark.parametrize("words", [["--add", "x"], ["a.png", "--label", "real", "--add", "x"], ["a.png"]])
    def test_it_wants_names_or_a_filter_and_a_tag(self, cyborg, words):
        assert "Say which" in str(cyborg("images", "tag", *words).exception)

    def test_a_split_that_is_none_is_refused(self, cyborg):
        assert "--split" in str(cyborg("images", "tag", "--split", "x", "--add", "y").exception)


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
def told(tmp_path):
    """Forty pictures whose JPEG quality follows their label."""
    for number in range(40):
        kind, quality = (("real/camera", 95), ("fake/gan", 75))[number % 2]
        draw(tmp_path / f"told/{kind}/{number}.jpg", number, quality=quality)
    return tmp_path / "told"


@pytest.fixture
def cyborg(own_database, monkeypatch):
    settings, _ = own_database
    monkeypatch.setenv("CYBORG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("CYBORG_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(app, words)
