"""Files and folders that appear whole or not at all."""

import pytest

from saliency.files.writing import OutputError, new_folder


class TestNewFolder:
    def test_it_appears_when_the_block_ends_well(self, tmp_path):
        with new_folder(tmp_path / "deep" / "out", mark="m.json") as folder:
            (folder / "m.json").write_text("1")
            assert not (tmp_path / "deep" / "out").exists()
        assert [path.name for path in (tmp_path / "deep").rglob("*")] == ["out", "m.json"]

    def test_it_replaces_an_earlier_result_whole(self, tmp_path):
        for name in ("old", "new"):
            with new_folder(tmp_path / "out", mark="m.json") as folder:
                (folder / "m.json").touch()
                (folder / name).touch()
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["m.json", "new"]

    def test_an_error_leaves_the_earlier_result_and_nothing_else(self, tmp_path):
        with new_folder(tmp_path / "out", mark="m.json") as folder:
            (folder / "m.json").touch()
        with pytest.raises(IsADirectoryError), new_folder(tmp_path / "out", mark="m.json") as folder:
            folder.read_bytes()
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
            "out",
            "out/m.json",
        ]

    def test_somebody_elses_folder_is_left_alone(self, tmp_path):
        (tmp_path / "thesis.txt").touch()
        with pytest.raises(OutputError, match=r"holds no m\.json"), new_folder(tmp_path, mark="m.json"):
            pytest.fail("the block must not run")

    def test_a_file_in_its_place_is_left_alone(self, tmp_path):
        (tmp_path / "out").touch()
        with pytest.raises(OutputError, match="is a file"), new_folder(tmp_path / "out", mark="m.json"):
            pytest.fail("the block must not run")
