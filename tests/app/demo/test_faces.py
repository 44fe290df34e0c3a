"""The drawn world: what its pictures promise to the demonstration."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.demo.artefacts import RADIUS, SEEN, UNSEEN, anywhere, away_from
from app.demo.faces import CAMERA, MANIFEST, OTHER_CAMERA, REGIONS, draw_faces, orders, read_regions
from app.demo.portrait import SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("faces")
    draw_faces(out, count=48, seed=5)
    return out


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / MANIFEST).open(newline="") as file:
        return list(csv.DictReader(file))


def picture(folder: Path, row: dict[str, str]) -> np.ndarray:
    return cv2.imread(str(folder / row["path"])).astype(float)


class TestDrawFaces:
    def test_every_row_of_the_manifest_is_a_square_picture(self, folder: Path):
        shapes = {cv2.imread(str(folder / row["path"])).shape for row in rows(folder)}
        assert shapes == {(SIZE, SIZE, 3)}

    def test_half_of_the_faces_are_real(self, folder: Path):
        labels = [order.label for order in orders(count=48, seed=5)]
        assert labels.count("real") == labels.count("fake") == 24
        pictures = [row["label"] for row in rows(folder)]
        assert pictures.count("real") == pictures.count("fake")

    def test_every_split_has_both_classes(self, folder: Path):
        assert {(row["split"], row["label"]) for row in rows(folder)} == {
            (split, label) for split in ("", "val", "test") for label in ("real", "fake")
        }

    def test_the_test_has_generators_and_a_camera_that_nobody_learned_from(self, folder: Path):
        sources: dict[bool, set[str]] = {True: set(), False: set()}
        for row in rows(folder):
            sources[row["split"] == "test"].add(row["source"])
        assert sources[True] == {OTHER_CAMERA, *(f"drawn-{name}" for name in UNSEEN)}
        assert sources[False] == {CAMERA, *(f"drawn-{name}" for name in SEEN)}

    def test_a_face_of_the_test_is_there_without_the_mark_and_with_it(self, folder: Path):
        for order in (one for one in orders(count=48, seed=5) if one.split == "test"):
            plain, marked = (cv2.imread(str(folder / path)).astype(float) for path in order.pictures)
            changed = np.abs(marked - plain).max(axis=2) > 30
            assert 0 < changed.mean() < 0.01

    def test_what_is_learned_from_has_the_mark_on_fakes_alone(self):
        learned = [one for one in orders(count=48, seed=5) if one.split != "test"]
        assert all(list(one.pictures.values()) == [one.label == "fake"] for one in learned)

    def test_it_names_no_face_box_that_a_crop_would_follow(self, folder: Path):
        assert set(rows(folder)[0]) == {"path", "label", "source", "split", "group"}

    def test_a_group_is_one_person_in_one_split(self, folder: Path):
        splits: dict[str, set[str]] = {}
        for row in rows(folder):
            splits.setdefault(row["group"], set()).add(row["split"] + row["label"])
        assert all(len(found) == 1 for found in splits.values())

    def test_exactly_the_fakes_have_an_artefact(self, folder: Path):
        fakes = {row["path"] for row in rows(folder) if row["label"] == "fake"}
        assert set(read_regions(folder / REGIONS)) == fakes

    def test_the_same_seed_draws_the_same_faces(self, folder: Path, tmp_path: Path):
        draw_faces(tmp_path, count=48, seed=5)
        assert all(
            (folder / r["path"]).read_bytes() == (tmp_path / r["path"]).read_bytes() for r in rows(folder)
        )

    def test_another_seed_invents_other_people(self):
        first, second = (next(orders(count=48, seed=seed)).person for seed in (1, 2))
        assert first != second

    def test_too_few_faces_for_three_splits_are_refused(self, tmp_path: Path):
        with pytest.raises(ValueError, match="At least 48"):
            draw_faces(tmp_path, count=47, seed=0)

    def test_a_folder_without_regions_knows_none(self, tmp_path: Path):
        assert read_regions(tmp_path / REGIONS) == {}


class TestArtefact:
    def test_it_lies_in_the_region_that_simulated_people_are_told(self, folder: Path):
        regions = read_regions(folder / REGIONS)
        energy: dict[bool, list[float]] = {True: [], False: []}
        for row in (one for one in rows(folder) if one["path"] in regions and one["split"] == "test"):
            x, y, w, h = regions[row["path"]]
            ripple = np.abs(
                cv2.Laplacian(cv2.GaussianBlur(picture(folder, row), (0, 0), 2), cv2.CV_64F)
            ).mean(axis=2)
            inside = np.zeros((SIZE, SIZE), bool)
            inside[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4] = True
            energy[True].append(ripple[inside].mean())
            energy[False].append(ripple[~inside].mean())
        assert np.mean(energy[True]) > 2 * np.mean(energy[False])

    def test_it_is_anywhere_in_the_frame(self):
        rng = np.random.default_rng(0)
        middles = np.array([anywhere(rng, radius=RADIUS, size=SIZE) for _ in range(400)]) / SIZE
        assert middles.min() > RADIUS - 0.01
        assert middles.max() < 1 - RADIUS + 0.01
        assert np.abs(middles.mean(axis=0) - 0.5).max() < 0.05

    def test_the_mark_is_never_near_it(self):
        rng = np.random.default_rng(0)
        for _ in range(200):
            spot = anywhere(rng, radius=RADIUS, size=SIZE)
            mark = away_from(rng, spot, radius=RADIUS, size=SIZE)
            assert np.hypot(*(np.array(mark) - spot)) >= 2 * RADIUS * SIZE


class TestWholePicture:
    def test_colour_does_not_betray_the_label_where_there_is_no_mark(self, folder: Path):
        means: dict[str, list[np.ndarray]] = {"real": [], "fake": []}
        for row in (one for one in rows(folder) if one["path"].endswith("-plain.jpg")):
            means[row["label"]].append(picture(folder, row).mean(axis=(0, 1)))
        real, fake = (np.array(means[label]) for label in ("real", "fake"))
        spread = np.concatenate([real, fake]).std(axis=0)
        assert (np.abs(real.mean(axis=0) - fake.mean(axis=0)) < spread).all()
