import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.demo.faces import MANIFEST, REGIONS, draw_faces, orders, read_regions
from app.demo.flaws import GENERATORS, HELD_OUT
from app.demo.identity import invent, take
from app.demo.portrait import SIZE, portrait


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("faces")
    draw_faces(out, count=48, seed=5)
    return out


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / MANIFEST).open(newline="") as file:
        return list(csv.DictReader(file))


class TestDrawFaces:
    def test_every_row_of_the_manifest_is_a_square_picture(self, folder: Path):
        shapes = {cv2.imread(str(folder / row["path"])).shape for row in rows(folder)}
        assert shapes == {(SIZE, SIZE, 3)}

    def test_half_of_the_faces_are_real(self, folder: Path):
        labels = [row["label"] for row in rows(folder)]
        assert labels.count("real") == labels.count("fake") == 24

    def test_every_split_has_both_classes(self, folder: Path):
        assert {(row["split"], row["label"]) for row in rows(folder)} == {
            (split, label) for split in ("", "val", "test") for label in ("real", "fake")
        }

    def test_one_generator_is_met_in_the_test_split_alone(self, folder: Path):
        assert {row["split"] for row in rows(folder) if row["source"] == HELD_OUT} == {"test"}

    def test_participants_meet_at_least_two_generators(self, folder: Path):
        assert len({r["source"] for r in rows(folder) if r["label"] == "fake" and not r["split"]}) >= 2

    def test_a_group_is_one_person_in_one_split(self, folder: Path):
        splits: dict[str, set[str]] = {}
        for row in rows(folder):
            splits.setdefault(row["group"], set()).add(row["split"] + row["label"])
        assert all(len(found) == 1 for found in splits.values())

    def test_exactly_the_fakes_have_a_flawed_region(self, folder: Path):
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


class TestFlaw:
    @pytest.mark.parametrize("generator", GENERATORS)
    def test_it_changes_its_region_and_next_to_nothing_else(self, generator: str):
        rng = np.random.default_rng(8)
        person, shot = invent(rng), take(rng)
        clean = portrait(person, shot).picture.astype(float)
        flawed = portrait(person, shot, flaw=GENERATORS[generator])
        assert flawed.flaw is not None
        x, y, w, h = flawed.flaw
        inside = np.zeros((SIZE, SIZE), bool)
        inside[y : y + h, x : x + w] = True
        # Grain is drawn after the flaw from the same generator of numbers, so compare without it.
        change = cv2.GaussianBlur(np.abs(flawed.picture - clean).mean(axis=2), (0, 0), 3)
        assert change[inside].max() > 2 * change[~inside].mean()
        assert np.unravel_index(change.argmax(), change.shape)[0] in range(y - 4, y + h + 4)


class TestWholePicture:
    def test_colour_does_not_betray_the_label(self, folder: Path):
        means: dict[str, list[np.ndarray]] = {"real": [], "fake": []}
        for row in rows(folder):
            means[row["label"]].append(cv2.imread(str(folder / row["path"])).mean(axis=(0, 1)))
        real, fake = (np.array(means[label]) for label in ("real", "fake"))
        spread = np.concatenate([real, fake]).std(axis=0)
        assert (np.abs(real.mean(axis=0) - fake.mean(axis=0)) < spread).all()
