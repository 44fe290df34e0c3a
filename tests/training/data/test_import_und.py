import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.conftest import picture
from training.__main__ import app
from training.data.dataset import load_dataset
from training.data.human_maps import decode_map
from training.data.import_und import import_und
from training.errors import DatasetError

ROWS = [
    "train,Real,/train/original_data/0_real/p1_1_real.png",
    "train,Synthetic,/train/original_data/1_fake/p1_1_fake.png",
    "train,Real,/train/original_data/0_real/p1_2_real.png",
    "train,Synthetic,/train/original_data/1_fake/p1_2_fake.png",
    "test,Real,/val/0_real/04300d24.jpg",
    "test,Synthetic,/val/1_fake/synth_face_0001.jpg",
    "test,Synthetic,/val/1_fake/MW_1d1.png",
]
MORE = ["train,Real,/train/7x_data/0_real/p9_9_real.png", "test,Real,/val/0_real/04300d24.jpg"]
TEST = [
    "test/0_real/ffhq_aligned/00000.png",
    "test/1_fake/stylegan2-0.5_aligned/000000/seed0001.png",
    "test/1_fake/stylegan2-0.5_aligned/000000/seed0002.png",
]


@pytest.fixture
def theirs(tmp_path):
    """A miniature of their folders: p1_2_real has no map, p1_1_fake a black one, p1_2_fake a coloured one."""
    root = tmp_path / "und"
    (root / "csvs").mkdir(parents=True)
    (root / "csvs/original.csv").write_text("".join(f"{row}\n" for row in ROWS))
    (root / "csvs/large_dataset_7x.csv").write_text("".join(f"{row}\n" for row in [*ROWS, *MORE]))
    for name in [*(row.split(",")[2][1:] for row in [*ROWS, *MORE]), *TEST]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture("real", 0))
    maps = root / "train/heatmaps"
    maps.mkdir()
    bright = np.zeros((20, 20), np.uint8)
    bright[5:9] = 255
    cv2.imwrite(str(maps / "p1_1_real.png"), bright)
    cv2.imwrite(str(maps / "p1_1_fake.png"), np.zeros((40, 40), np.uint8))
    cv2.imwrite(str(maps / "p1_2_fake.png"), np.stack([bright] * 3, axis=-1))
    return root


@pytest.fixture
def imported(theirs, tmp_path):
    steps = list(import_und(theirs, tmp_path / "out"))
    return load_dataset(tmp_path / "out", verify=True), steps


class TestImport:
    def test_their_test_split_is_validation(self, imported):
        counts = imported[0].counts
        assert {split: row["images"] for split, row in counts.items()} == {
            "train": 4,
            "extra": 1,
            "val": 3,
            "test": 3,
        }

    def test_maps_are_found_by_file_name(self, imported):
        with_map = {sample.image_id for sample in imported[0].samples if sample.map}
        assert with_map == {"train.p1_1_real", "train.p1_2_fake"}

    def test_what_was_missing_or_black_is_said(self, imported):
        notes = [step.note for step in imported[1] if step.note]
        assert notes == ["the map of p1_1_fake.png is black", "p1_2_real.png has no map"]

    def test_a_small_map_gets_the_size_of_its_image(self, imported):
        sample = next(s for s in imported[0].samples if s.image_id == "train.p1_1_real")
        saliency = decode_map(imported[0].root / sample.map)
        assert saliency.shape == (40, 40)
        assert saliency.max() == 1

    def test_sources_come_from_names_and_folders(self, imported):
        sources = {sample.split: set() for sample in imported[0].samples}
        for sample in imported[0].samples:
            sources[sample.split].add(sample.source)
        assert sources["val"] == {"frgc", "stylegan2", "srefi"}
        assert sources["test"] == {"ffhq", "stylegan2-0.5"}

    def test_test_images_can_be_limited_per_source(self, theirs, tmp_path):
        list(import_und(theirs, tmp_path / "few", test_limit=1))
        assert load_dataset(tmp_path / "few").counts["test"]["images"] == 2

    def test_a_byte_order_mark_spaces_and_odd_names_are_no_trouble(self, theirs, tmp_path):
        (theirs / "val/0_real/a (1).jpg").write_bytes(picture("real", 1))
        table = theirs / "csvs/original.csv"
        table.write_text(table.read_text() + "test, Real, /val/0_real/a (1).jpg\n", "utf-8-sig")
        list(import_und(theirs, tmp_path / "out"))
        assert "val.a--1-" in {sample.image_id for sample in load_dataset(tmp_path / "out").of("val")}

    def test_tables_are_read_as_other_programs_write_them(self, theirs, tmp_path):
        (theirs / "val/0_real/a, b.jpg").write_bytes(picture("real", 1))
        table = theirs / "csvs/original.csv"
        table.write_text(table.read_text().replace(",", ";") + "test;Real;/val/0_real/a, b.jpg\n", "utf-16")
        list(import_und(theirs, tmp_path / "out"))
        assert "val.a--b" in {sample.image_id for sample in load_dataset(tmp_path / "out").of("val")}

    def test_a_row_that_is_there_twice_counts_once(self, theirs, tmp_path):
        table = theirs / "csvs/original.csv"
        table.write_text(table.read_text() + ROWS[-1] + "\n")
        list(import_und(theirs, tmp_path / "out"))
        assert len(load_dataset(tmp_path / "out").of("val")) == 3


class TestRefusals:
    def test_two_files_of_one_name(self, theirs, tmp_path):
        table = theirs / "csvs/original.csv"
        (theirs / "val/1_fake/04300d24.jpg").write_bytes(picture("fake", 1))
        table.write_text(table.read_text() + "test,Synthetic,/val/1_fake/04300d24.jpg\n")
        with pytest.raises(DatasetError, match=r"would both be the image val\.04300d24"):
            list(import_und(theirs, tmp_path / "out"))

    def test_a_table_in_another_encoding(self, theirs, tmp_path):
        (theirs / "csvs/original.csv").write_bytes(b"train,Real,/train/\xe4.png\n")
        with pytest.raises(DatasetError, match="line 1: this is not UTF-8 text; save the file as UTF-8"):
            list(import_und(theirs, tmp_path / "out"))

    def test_a_folder_of_another_layout(self, tmp_path):
        result = CliRunner().invoke(app, ["import-und", str(tmp_path), str(tmp_path / "out")])
        assert (result.exit_code, "is not the layout" in result.output) == (1, True)

    @pytest.mark.parametrize(
        ("row", "reason"),
        [("train,Genuine,/x.png", "Real.Synthetic"), ("train,Real,/x.png", "does not exist")],
    )
    def test_a_bad_row_is_named_and_nothing_is_written(self, theirs, tmp_path, row, reason):
        (theirs / "csvs/original.csv").write_text(f"{ROWS[0]}\n{row}\n")
        with pytest.raises(DatasetError, match=f"line 2: .*{reason}"):
            list(import_und(theirs, tmp_path / "out"))
        assert not (tmp_path / "out").exists()
