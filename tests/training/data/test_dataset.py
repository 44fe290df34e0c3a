import json
import shutil

import cv2
import numpy as np
import pytest

from tests.training.conftest import fill, picture, png, saliency
from training.data.dataset import DatasetWriter, load_dataset
from training.errors import DatasetError


def add(writer, image_id="a", **changes):
    row = {"image": picture("real", 0), "label": "real", "source": "camera", "split": "val"}
    return writer.add(image_id=image_id, **{**row, **changes})


def rewrite(root, before, after):
    table = root / "samples.csv"
    table.write_text(table.read_text().replace(before, after, 1))


class TestDatasetWriter:
    def test_what_is_written_is_read_back(self, data):
        dataset = load_dataset(data, verify=True)
        assert dataset.counts["train"] == {"images": 16, "real": 8, "fake": 8, "with_map": 15}

    def test_the_folder_holds_exactly_what_the_contract_names(self, data):
        assert sorted(p.name for p in data.iterdir()) == ["dataset.json", "images", "maps", "samples.csv"]

    def test_the_same_content_gives_the_same_id(self, make_dataset):
        assert load_dataset(make_dataset("one")).id == load_dataset(make_dataset("two")).id

    def test_the_order_of_adding_does_not_matter(self, tmp_path):
        for name, order in {"one": "ab", "two": "ba"}.items():
            with DatasetWriter(tmp_path / name, study="s", map_set="m") as writer:
                for image_id in order:
                    add(writer, image_id)
        assert load_dataset(tmp_path / "one").id == load_dataset(tmp_path / "two").id

    def test_another_map_set_gives_another_id(self, tmp_path):
        for name in ("one", "two"):
            with DatasetWriter(tmp_path / name, study="s", map_set=name) as writer:
                add(writer)
        assert load_dataset(tmp_path / "one").id != load_dataset(tmp_path / "two").id

    def test_a_spreadsheet_takes_no_source_for_a_formula(self, tmp_path):
        with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
            add(writer, source="=cmd()")
        assert ",'=cmd()," in (tmp_path / "d/samples.csv").read_text()
        assert [one.source for one in load_dataset(tmp_path / "d").samples] == ["=cmd()"]

    def test_a_failure_leaves_nothing_behind(self, tmp_path):
        with (
            pytest.raises(DatasetError),
            DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer,
        ):
            add(writer, label=add(writer).image_id)
        assert list(tmp_path.iterdir()) == []

    def test_it_never_writes_over_another_dataset(self, make_dataset):
        root = make_dataset()
        with pytest.raises(DatasetError, match="exists already"), DatasetWriter(root, study="s", map_set="m"):
            pass
        load_dataset(root, verify=True)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"label": "true"}, "real or fake"),
            ({"split": "training"}, "split must be one of"),
            ({"image": b"GIF89a"}, "not a PNG"),
            ({"image": png(np.zeros((8, 8), np.uint16))}, "16 bits"),
            ({"map": saliency(side=8)}, "16-bit greyscale of 40×40"),
            ({"map": picture("real", 0)}, "16-bit greyscale"),
            ({"image_id": "../a"}, "An image id"),
        ],
    )
    def test_it_refuses(self, tmp_path, changes, reason):
        with (
            pytest.raises(DatasetError, match=reason),
            DatasetWriter(tmp_path / "d", study="s", map_set="m") as w,
        ):
            add(w, **changes)
        assert not (tmp_path / "d").exists()

    def test_it_refuses_an_image_twice(self, tmp_path):
        with (
            pytest.raises(DatasetError, match="twice"),
            DatasetWriter(tmp_path / "d", study="s", map_set="m") as w,
        ):
            add(w, image_id=add(w).image_id)

    def test_it_refuses_to_be_empty(self, tmp_path):
        with (
            pytest.raises(DatasetError, match="no images"),
            DatasetWriter(tmp_path / "d", study="s", map_set="m"),
        ):
            pass


class TestLoadDataset:
    def test_a_folder_that_is_none(self, tmp_path):
        with pytest.raises(DatasetError, match=r"no dataset\.json"):
            load_dataset(tmp_path)

    @pytest.mark.parametrize(
        ("before", "after", "reason"),
        [
            (",real,", ",genuine,", "line 2: the label must be"),
            (",test,", ",exam,", "line 2: the split must be"),
            ("images/test000.png", "../secret.png", "outside the dataset"),
            (",0\n", ",many\n", "whole number"),
            ("image_id", "id", "header"),
            ("camera", "lens", "changed after"),
        ],
    )
    def test_a_table_with_a_mistake(self, make_dataset, before, after, reason):
        root = make_dataset()
        rewrite(root, before, after)
        with pytest.raises(DatasetError, match=reason):
            load_dataset(root)

    def test_a_missing_file_is_named(self, make_dataset):
        root = make_dataset()
        (root / "maps/train003.png").unlink()
        with pytest.raises(DatasetError, match=r"maps/train003\.png is missing"):
            load_dataset(root)

    def test_training_images_of_one_class_only(self, tmp_path):
        with (
            pytest.raises(DatasetError, match="only real images"),
            DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer,
        ):
            add(writer, split="train")

    def test_a_changed_file_is_found_only_when_asked_to_verify(self, make_dataset):
        root = make_dataset()
        cv2.imwrite(str(root / "images/val000.png"), np.zeros((40, 40, 3), np.uint8))
        load_dataset(root)
        with pytest.raises(DatasetError, match=r"val000\.png is not the file that was frozen"):
            load_dataset(root, verify=True)

    def test_it_may_be_moved(self, make_dataset, tmp_path):
        shutil.move(make_dataset(), tmp_path / "elsewhere")
        assert load_dataset(tmp_path / "elsewhere", verify=True).root == tmp_path / "elsewhere"

    def test_the_description_lists_every_file(self, data):
        listed = set(json.loads((data / "dataset.json").read_text())["files"])
        present = {str(p.relative_to(data)) for p in data.rglob("*") if p.is_file()}
        assert present - listed == {"dataset.json"}


def test_a_dataset_without_maps_is_fine(tmp_path):
    with DatasetWriter(tmp_path / "d", study="s", map_set="") as writer:
        fill(writer, with_map=False)
    assert writer.dataset.counts["train"]["with_map"] == 0
