"""A finished run draws maps, and other runs learn from them: `python -m training teach`."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.training.conftest import fill
from training.__main__ import app
from training.config import RunConfig, TrainingJob
from training.data.dataset import DatasetWriter, load_dataset
from training.data.human_maps import MapSettings, decode_map, load_maps
from training.errors import DatasetError, RunError
from training.evaluation.evaluator import Evaluator
from training.model.cam import min_max
from training.model.rise import RiseSettings
from training.reporting.model_card import as_markdown, card_of
from training.run import open_run, run_job
from training.run_folder import RunFolder
from training.teach import TeachSettings, teach

SETTINGS = {"architecture": "cyborg_tiny", "weights": "none", "device": "cpu"}
SETTINGS |= {"epochs": 1, "batch_size": 4, "image_size": 32}
METHODS = {
    "cam": TeachSettings("cam"),
    "rise": TeachSettings("rise", rise=RiseSettings(masks=40)),
    "unet": TeachSettings("unet"),
}


def train(data, folder, **changes):
    config = RunConfig.model_validate(SETTINGS | {"objective": "cyborg"} | changes)
    list(run_job(TrainingJob(run=config, dataset=data, out=folder)))
    return folder


def drawn(run, data, out, settings=None):
    """All that `teach` does; returns the folder."""
    for _ in teach(run, data, out, settings or METHODS["cam"], device="cpu"):
        pass
    return out


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def manifest(folder):
    return json.loads((folder / "teacher.json").read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """23 of 24 training images have a map, and 10 more have none."""
    root = tmp_path_factory.mktemp("dataset") / "data"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer, train=24, extra=10)
    return root


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    return train(data, tmp_path_factory.mktemp("runs") / "teacher")


@pytest.fixture(scope="module")
def maps(teacher, data, tmp_path_factory):
    """What each method drew; no test changes it."""
    root = tmp_path_factory.mktemp("maps")
    return {name: drawn(teacher, data, root / name, one) for name, one in METHODS.items()}


class TestMaps:
    @pytest.mark.parametrize("method", METHODS)
    def test_they_come_for_images_that_nobody_painted_and_for_no_others(self, maps, method, data):
        wanted = {sample.image_id for sample in load_dataset(data).of("train", "extra") if not sample.map}
        assert (
            {path.stem for path in (maps[method] / "maps").iterdir()}
            == wanted
            == {
                "train000",
                *(f"extra{i:03d}" for i in range(10)),
            }
        )
        assert decode_map(maps[method] / "maps" / "extra001.png").shape == (40, 40)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_same_run_and_settings_give_the_same_bytes(self, maps, method, teacher, data, tmp_path):
        again = drawn(teacher, data, tmp_path / "again", METHODS[method])
        assert content(again) == content(maps[method])

    def test_those_of_cam_are_of_the_true_class(self, maps, teacher, data):
        sample = next(s for s in load_dataset(data).of("extra") if s.image_id == "extra001")
        _, backbone = open_run(RunFolder(teacher), device="cpu")
        evaluator = Evaluator(backbone, "true")
        (_, pixels), *_ = evaluator.batches(load_dataset(data), [sample], None)
        _, cam = evaluator.predict(pixels, torch.tensor([sample.target]))
        side = cam.shape[-1]
        stored = load_maps(load_dataset(data), [sample], (side, side), MapSettings("teacher", maps["cam"]))
        # Enlarged to the image and averaged down again, a map is a little smoother.
        assert np.corrcoef(stored.flatten(), cam.flatten())[0, 1] > 0.95

    def test_those_of_a_run_that_was_guided_by_the_difference_are_differences(self, data, tmp_path):
        run = train(data, tmp_path / "r", objective={"name": "cyborg", "cam_class": "difference"})
        assert manifest(drawn(run, data, tmp_path / "t"))["parameters"]["cam_class"] == "difference"

    def test_the_u_net_has_learned_where_people_paint(self, maps):
        corner = decode_map(maps["unet"] / "maps" / "extra001.png")
        assert corner[6:12, 6:12].mean() > 3 * corner[22:, 22:].mean()

    def test_it_draws_for_painted_and_for_test_images_only_when_told(self, teacher, data, tmp_path):
        settings = TeachSettings("cam", ("train", "test"), every_image=True)
        told = manifest(drawn(teacher, data, tmp_path / "t", settings))
        assert len(told["files"]) == 24 + 8
        assert told["cautions"] == ["8 of the images are test images: nothing was learned from them."]

    def test_a_run_without_guidance_is_called_so(self, data, tmp_path):
        run = train(data, tmp_path / "r", objective="cross_entropy")
        assert "not guided by maps" in manifest(drawn(run, data, tmp_path / "t"))["cautions"][0]

    def test_the_u_net_learns_from_the_runs_own_dataset_whatever_it_draws_for(self, maps, teacher, tmp_path):
        with DatasetWriter(tmp_path / "other", study="s", map_set="m") as writer:
            fill(writer, train=4, with_map=False)
        told = manifest(drawn(teacher, tmp_path / "other", tmp_path / "t", METHODS["unet"]))
        assert told["learned_from"] == manifest(maps["unet"])["learned_from"]
        assert told["learned_from"]["images"] == 21  # of 23: a tenth chooses the epoch
        assert len(told["files"]) == 4


class TestChain:
    def test_it_goes_from_each_map_over_the_run_to_the_dataset(self, maps, teacher, data):
        told, folder = manifest(maps["unet"]), RunFolder(teacher)
        digest = hashlib.sha256((maps["unet"] / "maps" / "extra001.png").read_bytes()).hexdigest()
        assert told["files"]["extra001"]["map"] == digest
        assert told["files"]["extra001"]["image"] == load_dataset(data).digests["images/extra001.png"]
        assert told["run"]["weights_sha256"] == hashlib.sha256(folder.best.read_bytes()).hexdigest()
        assert told["run"]["code"] == folder.record()["code"]
        assert told["dataset"]["id"] == told["learned_from"]["dataset"] == load_dataset(data).id
        unet = hashlib.sha256((maps["unet"] / "unet.safetensors").read_bytes()).hexdigest()
        assert told["learned_from"]["unet_sha256"] == unet

    def test_a_student_and_its_model_card_name_the_teacher(self, maps, data, tmp_path):
        student = train(
            data,
            tmp_path / "s",
            maps="human_or_teacher",
            maps_folder=maps["cam"],
            train_splits=["train", "extra"],
        )
        told = RunFolder(student).record()["teacher"]
        digest = hashlib.sha256((maps["cam"] / "teacher.json").read_bytes()).hexdigest()
        assert (told["manifest_sha256"], told["method"], told["maps"]) == (digest, "cam", 11)
        card = card_of(RunFolder(student))
        assert card["chain"]["teacher_manifest_sha256"] == digest
        assert "maps of 11 training images were drawn by a trained network: the method cam" in as_markdown(
            card
        )

    def test_a_run_does_not_go_on_with_another_teacher(self, maps, data, tmp_path):
        shutil.copytree(maps["cam"], tmp_path / "t")
        changes = {"maps": "human_or_teacher", "maps_folder": tmp_path / "t"}
        train(data, tmp_path / "r", **changes)
        (tmp_path / "r" / "metrics.json").unlink()
        shutil.rmtree(tmp_path / "t")
        shutil.copytree(maps["rise"], tmp_path / "t")
        with pytest.raises(RunError, match="belongs to another run: its teacher differs in manifest_sha256"):
            train(data, tmp_path / "r", **changes)

    @pytest.mark.parametrize("change", ["changed", "removed", "added", "of another image"])
    def test_a_map_that_is_not_what_the_teacher_drew_is_refused(self, maps, data, tmp_path, change):
        folder = tmp_path / "t"
        shutil.copytree(maps["cam"], folder)
        file = folder / "maps" / "train000.png"
        if change == "changed":
            shutil.copy(folder / "maps" / "extra001.png", file)
        elif change == "removed":
            file.unlink()
        elif change == "added":
            shutil.copy(file, folder / "maps" / "train001.png")
        else:
            told = manifest(folder)
            told["files"]["train000"]["image"] = "0" * 64
            (folder / "teacher.json").write_text(json.dumps(told))
        with pytest.raises(DatasetError, match=r"train00[01]\.png (is not what|was drawn for another)"):
            train(data, tmp_path / "r", maps="teacher", maps_folder=folder)

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"format": 1, "files": {"a": 1}}', '{"format": 9, "files": {}}']
    )
    def test_a_damaged_manifest_is_refused(self, maps, data, tmp_path, text):
        shutil.copytree(maps["cam"], tmp_path / "t")
        (tmp_path / "t" / "teacher.json").write_text(text)
        with pytest.raises((DatasetError, RunError), match=r"teacher\.json"):
            train(data, tmp_path / "r", maps="teacher", maps_folder=tmp_path / "t")


class TestSources:
    @pytest.fixture
    def load(self, maps, data):
        dataset = load_dataset(data)
        samples = dataset.of("train", "extra")

        def load(name, seed=0):
            folder = None if name == "human" else maps["cam"]
            loaded = load_maps(dataset, samples, (8, 8), MapSettings(name, folder, seed))
            return dict(zip((sample.image_id for sample in samples), loaded, strict=True))

        return load

    def test_human_maps_stand_where_people_drew_and_the_teachers_elsewhere(self, load):
        human, teacher, both = load("human"), load("teacher"), load("human_or_teacher")
        for name, values in both.items():
            torch.testing.assert_close(values, teacher[name] if human[name].isnan().any() else human[name])

    def test_the_control_shuffles_the_teachers_maps_alone(self, load):
        both, control = load("human_or_teacher"), load("human_or_shuffled_teacher")
        drawn = [name for name in both if not torch.equal(both[name], control[name])]
        assert sorted(drawn) == ["extra000", *(f"extra{i:03d}" for i in range(1, 10)), "train000"]
        sums = sorted(float(control[name].sum()) for name in drawn)
        assert sums == pytest.approx(sorted(float(both[name].sum()) for name in drawn), abs=1e-4)

    def test_the_shuffled_teacher_has_maps_where_the_teacher_has(self, load):
        teacher, control = load("teacher"), load("shuffled_teacher")
        assert [name for name, one in teacher.items() if one.isnan().any()] == [
            name for name, one in control.items() if one.isnan().any()
        ]
        assert any(not torch.equal(control[name], load("shuffled_teacher", 1)[name]) for name in control)

    def test_maps_from_elsewhere_need_no_manifest(self, data, tmp_path, maps):
        shutil.copytree(maps["cam"] / "maps", tmp_path / "plain")
        student = train(data, tmp_path / "r", maps="teacher", maps_folder=tmp_path / "plain")
        assert RunFolder(student).record()["teacher"] == {}


class TestTrouble:
    def test_a_folder_that_is_no_run(self, data, tmp_path):
        self.refused("is not a run folder", tmp_path, data, tmp_path / "t")

    def test_a_run_that_has_not_finished(self, teacher, data, tmp_path):
        shutil.copytree(teacher, tmp_path / "r")
        (tmp_path / "r" / "metrics.json").unlink()
        self.refused("has not finished; a teacher is a finished run", tmp_path / "r", data, tmp_path / "t")

    def test_a_folder_that_exists(self, teacher, data, maps):
        before = content(maps["cam"])
        self.refused("exists already; nothing is written over it", teacher, data, maps["cam"])
        assert content(maps["cam"]) == before

    def test_a_dataset_that_is_none(self, teacher, tmp_path):
        self.refused("is not a dataset folder", teacher, tmp_path, tmp_path / "t")

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            (
                "--splits=val,nowhere",
                "There is no split 'nowhere'; the known ones are train, extra, val, test",
            ),
            ("--method=magic", "There is no method 'magic'; the known ones are cam, rise, unet"),
        ],
    )
    def test_what_does_not_exist_is_named(self, teacher, data, tmp_path, option, said):
        self.refused(said, teacher, data, tmp_path / "t", option)

    def test_a_split_that_the_dataset_lacks(self, teacher, tmp_path):
        with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
            fill(writer, train=4)
        self.refused("has no extra split", teacher, tmp_path / "d", tmp_path / "t", "--splits=extra")

    def test_a_dataset_that_is_painted_all_over(self, teacher, data, tmp_path):
        dataset = load_dataset(data)
        with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
            for sample in (one for one in dataset.of("train") if one.map):
                files = {"image": (data / sample.path).read_bytes(), "map": (data / sample.map).read_bytes()}
                about = {"label": sample.label, "source": sample.source, "split": "train"}
                writer.add(image_id=sample.image_id, **files, **about)
        self.refused("has a human map; --all draws them all", teacher, tmp_path / "d", tmp_path / "t")

    def test_a_u_net_has_nothing_to_learn_without_maps(self, tmp_path):
        with DatasetWriter(tmp_path / "d", study="s", map_set="m") as writer:
            fill(writer, with_map=False)
        run = train(tmp_path / "d", tmp_path / "r", objective="cross_entropy")
        said = "Maps are learned from at least 10 images that have one; of the 16 training images of"
        self.refused(said, run, tmp_path / "d", tmp_path / "t", "--method=unet")

    def test_a_u_net_whose_dataset_is_gone(self, teacher, data, tmp_path):
        shutil.copytree(teacher, tmp_path / "r")
        record = RunFolder(teacher).record()
        record["dataset"] |= {"id": "0" * 64, "path": str(data)}
        (tmp_path / "r" / "run.json").write_text(json.dumps(record))
        said = "is not the dataset any more that"
        self.refused(said, tmp_path / "r", data, tmp_path / "t", "--method=unet")

    @staticmethod
    def refused(said, run, data, out, *options):
        arguments = [str(run), "--dataset", str(data), "--out", str(out), "--device=cpu", *options]
        result = CliRunner().invoke(app, ["teach", *arguments])
        assert (result.exit_code, said in " ".join(result.output.split())) == (1, True), result.output
        assert result.output.strip().startswith("Error: ")
        assert not out.exists() or (out / "teacher.json").is_file()


class TestInterrupted:
    def test_killed_and_called_again_it_ends_with_the_same_bytes(self, teacher, data, maps, tmp_path):
        """A real process is killed while its U-Net learns; another finishes the work."""
        out, draft = tmp_path / "t", tmp_path / ".t.partial"
        command = [sys.executable, "-m", "training", "teach", str(teacher), "--dataset", str(data)]
        command += ["--out", str(out), "--method=unet", "--device=cpu"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ) as child:
            until((draft / "last.safetensors").is_file)
            child.send_signal(signal.SIGKILL)
        assert not out.exists()
        drawn(teacher, data, out, METHODS["unet"])
        assert content(out) == content(maps["unet"])
        assert not draft.exists()

    def test_batches_that_are_done_are_not_drawn_again(self, teacher, data, maps, tmp_path, monkeypatch):
        monkeypatch.setattr("training.teach.RISE_BATCH", 4)
        steps = teach(teacher, data, tmp_path / "t", METHODS["rise"], device="cpu")
        assert [next(steps).done for _ in range(2)] == [0, 4]
        steps.close()
        there = {path.name: path.stat().st_mtime_ns for path in (tmp_path / ".t.partial" / "maps").iterdir()}
        assert len(there) == 4
        out = drawn(teacher, data, tmp_path / "t", METHODS["rise"])
        after = {path.name: path.stat().st_mtime_ns for path in (out / "maps").iterdir()}
        assert there.items() <= after.items()
        assert len(after) == 11

    def test_a_draft_of_something_else_is_begun_anew(self, teacher, data, maps, tmp_path):
        next(teach(teacher, data, tmp_path / "t", METHODS["rise"], device="cpu"))
        assert content(drawn(teacher, data, tmp_path / "t")) == content(maps["cam"])

    def test_two_at_once_do_not_disturb_each_other(self, teacher, data, tmp_path):
        first = teach(teacher, data, tmp_path / "t", METHODS["cam"], device="cpu")
        next(first)
        with pytest.raises(RunError, match="Another process is writing"):
            next(teach(teacher, data, tmp_path / "t", METHODS["cam"], device="cpu"))
        list(first)
        assert (tmp_path / "t" / "teacher.json").is_file()


def until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_flat_map_is_left_out(teacher, data, tmp_path, monkeypatch):
    monkeypatch.setattr("training.teach.min_max", lambda maps: torch.zeros_like(min_max(maps)))
    told = manifest(drawn(teacher, data, tmp_path / "t", METHODS["rise"]))
    assert told["files"] == {}
    assert told["cautions"] == ["11 of 11 maps are the same all over, and were left out."]
