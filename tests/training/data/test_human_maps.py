from typing import get_args

import numpy as np
import pytest
import torch

from tests.training.conftest import png
from training.config import NEEDS_FOLDER, MapSource, RunConfig
from training.data.dataset import DatasetWriter, load_dataset
from training.data.human_maps import MapSettings, decode_map, load_maps
from training.errors import DatasetError

CONTROLS = ["shuffled", "inverted", "uniform", "ellipse", "random"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Six images whose maps differ in one bright row; the first has none."""
    root = tmp_path_factory.mktemp("varied") / "d"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        for i in range(6):
            values = np.zeros((8, 8), np.uint16)
            values[i] = 65535
            writer.add(
                image_id=str(i),
                image=png(np.zeros((8, 8, 3), np.uint8)),
                label=("real", "fake")[i % 2],
                source="s",
                split="train",
                map=png(values) if i else None,
            )
    return load_dataset(root)


@pytest.fixture
def guided(dataset):
    return lambda name, folder=None, seed=0: load_maps(
        dataset, dataset.of("train"), (8, 8), MapSettings(name, folder, seed)
    )


class TestEverySource:
    @pytest.mark.parametrize("name", CONTROLS)
    def test_no_control_invents_a_map(self, guided, name):
        maps = guided(name)
        assert maps[0].isnan().all()
        assert torch.isfinite(maps[1:]).all()

    @pytest.mark.parametrize("name", CONTROLS)
    def test_the_same_seed_gives_the_same_maps(self, guided, name):
        torch.testing.assert_close(guided(name), guided(name), equal_nan=True)

    def test_each_is_known_to_a_run(self):
        folders = dict.fromkeys(NEEDS_FOLDER, "f")
        for name in get_args(MapSource):
            run = RunConfig(architecture="a", maps=name, maps_folder=folders.get(name))
            assert run.maps == name


class TestControls:
    def test_human_maps_are_those_of_the_dataset(self, guided):
        assert guided("human")[1:].argmax(dim=1)[:, 0].tolist() == [1, 2, 3, 4, 5]

    def test_shuffled_maps_are_the_same_maps_and_none_keeps_its_own(self, guided):
        rows = guided("shuffled")[1:].argmax(dim=1)[:, 0].tolist()
        assert sorted(rows) == [1, 2, 3, 4, 5]
        assert all(row != own for own, row in enumerate(rows, start=1))

    def test_another_seed_shuffles_otherwise(self, guided):
        assert any(not torch.equal(guided("shuffled")[1:], guided("shuffled", seed=s)[1:]) for s in (1, 2, 3))

    def test_inverted_maps_are_negatives(self, guided):
        torch.testing.assert_close(guided("inverted")[1:], 1 - guided("human")[1:])

    def test_uniform_maps_say_everywhere(self, guided):
        assert (guided("uniform")[1:] == 1).all()

    def test_random_strokes_cover_as_much_as_people_did(self, guided):
        torch.testing.assert_close(guided("random")[1:].sum((1, 2)), guided("human")[1:].sum((1, 2)))
        assert not torch.equal(guided("random")[1:], guided("human")[1:])


class TestFolders:
    def test_segmentations_come_for_every_image_that_has_one(self, guided, tmp_path):
        classes = np.zeros((4, 4), np.uint8)
        classes[:, 2:] = 1  # skin
        (tmp_path / "0.png").write_bytes(png(classes))
        maps = guided("segmentation", tmp_path)
        assert maps[0, :, 0].sum() == 0
        assert (maps[0, :, 7] == 1).all()
        assert maps[1:].isnan().all()

    def test_a_teachers_maps_are_read_as_grey_pictures(self, guided, tmp_path):
        values = np.zeros((8, 8), np.uint8)
        values[3] = 200
        (tmp_path / "2.png").write_bytes(png(values))
        assert guided("teacher", tmp_path)[2].argmax(dim=0).tolist() == [3] * 8

    def test_masks_painted_elsewhere_are_merged(self, guided, dataset, tmp_path):
        (tmp_path / "2").mkdir()
        for name, rows in (("ann", slice(0, 4)), ("bob", slice(0, 2))):
            mask = np.zeros((8, 8), np.uint8)
            mask[rows] = 255
            (tmp_path / "2" / f"{name}.png").write_bytes(png(mask))
        before = MapSettings("masks", tmp_path).fingerprint(dataset.of("train"))
        found = guided("masks", tmp_path)
        assert found[1].isnan().all()
        assert found[2, 0, 0] > found[2, 3, 0] > found[2, 7, 0]
        (tmp_path / "2" / "bob.png").unlink()
        assert MapSettings("masks", tmp_path).fingerprint(dataset.of("train")) != before

    @pytest.mark.parametrize("name", ["segmentation", "teacher", "masks"])
    def test_a_missing_folder_is_named(self, guided, tmp_path, name):
        with pytest.raises(DatasetError, match="nowhere does not exist"):
            guided(name, tmp_path / "nowhere")

    def test_a_file_that_is_no_picture_is_named(self, guided, tmp_path):
        (tmp_path / "1.png").write_text("no")
        with pytest.raises(DatasetError, match=r"1\.png is not a readable image"):
            guided("teacher", tmp_path)

    def test_what_lay_in_the_folder_has_a_fingerprint(self, dataset, tmp_path):
        map_settings = MapSettings("teacher", tmp_path)
        before = map_settings.fingerprint(dataset.of("train"))
        (tmp_path / "1.png").write_bytes(png(np.full((8, 8), 9, np.uint8)))
        assert map_settings.fingerprint(dataset.of("train")) != before
        assert MapSettings().fingerprint(dataset.of("train")) == ""


class TestDecode:
    def test_an_8_bit_map_is_refused(self, tmp_path):
        (tmp_path / "m.png").write_bytes(png(np.zeros((8, 8), np.uint8)))
        with pytest.raises(DatasetError, match="16-bit"):
            decode_map(tmp_path / "m.png")

    def test_a_full_scale_map_is_one(self, tmp_path):
        (tmp_path / "m.png").write_bytes(png(np.full((2, 2), 65535, np.uint16)))
        assert decode_map(tmp_path / "m.png").max() == 1
