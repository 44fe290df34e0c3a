import json
import os

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.training.conftest import picture, saliency
from training.__main__ import app
from training.run_folder import RunFolder

COMMANDS = [
    "fit",
    "evaluate",
    "report",
    "audit",
    "compare-papers",
    "score",
    "teach",
    "export",
    "import-und",
    "import-weights",
]
RECIPE = """
name = "r"
architectures = ["cyborg_tiny"]
objectives = ["cross_entropy", "cyborg"]
seeds = 2
[run]
epochs = 1
batch_size = 4
image_size = 32
weights = "none"
device = "cpu"
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    return str(tmp_path / "r.toml")


@pytest.fixture
def broken(tmp_path):
    """A recipe whose first run lacks its maps and whose second does not."""
    scenarios = """
[[scenarios]]
name = "a_teacher"
objective = "cyborg"
maps = "teacher"
maps_folder = "NOWHERE"
[[scenarios]]
name = "cyborg"
objective = "cyborg"
"""
    text = RECIPE.replace('objectives = ["cross_entropy", "cyborg"]\nseeds = 2\n', "seeds = 1\n")
    path = tmp_path / "broken.toml"
    path.write_text(text + scenarios.replace("NOWHERE", str(tmp_path / "nowhere")))
    return path


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Two finished runs that no test changes."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "r.toml").write_text(RECIPE)
    result = invoke("fit", folder / "r.toml", "--data", data, "--out", folder / "runs", "--seeds", 1)
    assert result.exit_code == 0, result.output
    return folder / "runs"


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestEveryCommand:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_it_explains_itself(self, command):
        result = invoke(command, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output


class TestDegraded:
    def test_it_prints_a_row_for_each_degradation(self, runs, data):
        folder = next(path.parent for path in sorted(runs.rglob("run.json")))
        result = invoke("evaluate", folder, "--data", data, "--degrade", "jpeg:50 blur:1", "--device", "cpu")
        assert result.exit_code == 0, result.output
        assert [word in result.output for word in ("none", "jpeg:50", "blur:1", "from validation")] == [
            True
        ] * 4

    def test_an_unknown_one_is_one_sentence(self, runs, data):
        folder = next(path.parent for path in sorted(runs.rglob("run.json")))
        result = invoke("evaluate", folder, "--data", data, "--degrade", "fog")
        assert result.exit_code == 1
        assert "There is no degradation 'fog'; the known ones are jpeg" in " ".join(result.output.split())


class TestFit:
    def test_it_makes_one_folder_per_run(self, runs):
        assert names(runs) == ["cyborg_tiny-cross_entropy-seed0", "cyborg_tiny-cyborg-seed0"]

    def test_finished_runs_are_left_alone(self, runs, data, recipe):
        before = [(RunFolder(run).metrics).stat().st_mtime_ns for run in runs.iterdir()]
        assert invoke("fit", recipe, "--data", data, "--out", runs, "--seeds", 1).exit_code == 0
        assert [(RunFolder(run).metrics).stat().st_mtime_ns for run in runs.iterdir()] == before

    def test_a_dry_run_prints_the_plan_and_trains_nothing(self, tmp_path):
        result = invoke("fit", "wacv2023", "--out", tmp_path / "runs", "--dry-run")
        assert "wacv2023: 120 runs" in result.output
        assert (
            "inception_v3-cyborg-seed0  50 epochs, batch 20, weights inception_v3.tv_in1k, "
            "resize pil_bilinear, cam_tensor released\n"
        ) in result.output
        assert not (tmp_path / "runs").exists()

    def test_a_plan_names_the_weights_that_timm_would_choose(self, tmp_path):
        (tmp_path / "r.toml").write_text(
            RECIPE.replace("cyborg_tiny", "densenet121").replace('"none"', '"timm"')
        )
        assert "weights densenet121.ra_in1k" in invoke("fit", tmp_path / "r.toml", "--dry-run").output

    def test_a_plan_for_a_dataset_that_is_not_there_is_refused(self, tmp_path):
        result = invoke("fit", "wacv2023", "--data", tmp_path, "--dry-run")
        assert result.exit_code == 1
        assert "is not a dataset folder" in result.output

    def test_training_wants_to_know_on_what_and_where_to(self, recipe):
        assert "Training needs --data and --out" in invoke("fit", recipe).output

    @pytest.mark.parametrize(
        ("before", "after", "reason"),
        [
            ('"cyborg"', '"cybrog"', "no objective 'cybrog'"),
            ("cyborg_tiny", "resnet19", "no architecture 'resnet19'"),
            ("cpu", "cuda:7", "cuda:7 does not exist"),
        ],
    )
    def test_a_mistake_is_one_line_and_exit_code_1(self, data, tmp_path, before, after, reason):
        (tmp_path / "r.toml").write_text(RECIPE.replace(before, after))
        result = invoke("fit", tmp_path / "r.toml", "--data", data, "--out", tmp_path / "runs")
        assert result.exit_code == 1
        assert reason in result.output
        assert "Traceback" not in result.output
        assert not (tmp_path / "runs").exists()

    def test_what_a_library_or_a_path_says_reaches_the_reader_as_it_is(self, data, tmp_path):
        folder = tmp_path / "[red]weights[0]"
        folder.mkdir()
        torch.save({"model": {}, "step": torch.ones(1), "run": os.getpid}, folder / "w.pth")
        (tmp_path / "r.toml").write_text(RECIPE.replace('"none"', f'"{folder / "w.pth"}"'))
        result = invoke("fit", tmp_path / "r.toml", "--data", data, "--out", tmp_path / "runs", "--seeds", 1)
        assert result.exit_code == 1
        assert f"seed0: The weights file {folder / 'w.pth'} holds objects" in result.output
        assert "\x1b" not in result.output

    def test_a_plan_says_how_long_it_may_take_and_how_it_knows(self, data, tmp_path):
        plain = invoke("fit", "wacv2023", "--dry-run").output
        assert "On an NVIDIA H200, as measured" in plain
        assert "together: 14.8 h on one device, for the images of CYBORG (WACV 2023)" in plain
        assert "On an RTX 3090, not measured" in plain
        own = invoke("fit", "droid2023", "--data", data, "--out", tmp_path, "--dry-run").output
        assert f"for the images of {data}" in own

    def test_a_speed_may_be_measured_here(self, recipe, data, tmp_path):
        told = invoke("fit", recipe, "--data", data, "--out", tmp_path, "--dry-run", "--calibrate").output
        assert "cyborg_tiny: 0.0 h at" in told
        assert "Measured on cpu" in told

    def test_one_run_that_fails_does_not_keep_the_others_from_being_done(self, broken, data, tmp_path):
        result = invoke("fit", broken, "--data", data, "--out", tmp_path / "runs")
        assert result.exit_code == 1
        assert "failed: cyborg_tiny-a_teacher-seed0: " in result.output
        assert "1 of 2 runs failed." in result.output
        assert RunFolder(tmp_path / "runs/cyborg_tiny-cyborg-seed0").is_finished
        *_, last = RunFolder(tmp_path / "runs/cyborg_tiny-a_teacher-seed0").history()
        assert (last.kind, "does not exist" in last.error) == ("failed", True)

    def test_it_may_stop_at_the_first_failure(self, broken, data, tmp_path):
        result = invoke("fit", broken, "--data", data, "--out", tmp_path / "runs", "--stop-at-failure")
        assert result.exit_code == 1
        assert names(tmp_path / "runs") == ["cyborg_tiny-a_teacher-seed0"]

    def test_what_has_failed_can_be_done_again(self, broken, data, tmp_path):
        invoke("fit", broken, "--data", data, "--out", tmp_path / "runs")
        (tmp_path / "nowhere").mkdir()
        (tmp_path / "nowhere/train001.png").write_bytes(saliency())
        assert invoke("fit", broken, "--data", data, "--out", tmp_path / "runs").exit_code == 0
        events = RunFolder(tmp_path / "runs/cyborg_tiny-a_teacher-seed0").history()
        assert "failed" not in {event.kind for event in events}

    def test_a_scenario_without_its_images_is_found_before_anything_trains(self, data, tmp_path):
        result = invoke("fit", "wacv2023", "--data", data, "--out", tmp_path / "runs", "--weights", "none")
        assert (result.exit_code, "no extra split" in result.output) == (1, True)
        assert not (tmp_path / "runs").exists()

    def test_a_dataset_that_is_none(self, recipe, tmp_path):
        result = invoke("fit", recipe, "--data", tmp_path, "--out", tmp_path / "runs")
        assert (result.exit_code, "is not a dataset folder" in result.output) == (1, True)


class TestEvaluate:
    def test_the_same_split_gives_the_same_numbers(self, runs, data):
        run = runs / "cyborg_tiny-cyborg-seed0"
        assert invoke("evaluate", run, "--data", data, "--device", "cpu", "--name", "again").exit_code == 0
        again = json.loads((run / "evaluations/again/test.json").read_text())["metrics"]
        first = json.loads((run / "metrics.json").read_text())["splits"]["test"]
        assert again == pytest.approx(first, nan_ok=False)

    def test_shares_of_several_jobs_make_one_result(self, runs, data, monkeypatch):
        monkeypatch.setattr("training.evaluation.shards.PART", 3)
        run = runs / "cyborg_tiny-cyborg-seed0"
        alone = ("evaluate", run, "--data", data, "--device", "cpu", "--name")
        share = (*alone, "shared", "--shard")
        assert "1 parts of other shares are missing" in invoke(*share, "1/2").output
        assert not (run / "evaluations/shared/test.json").exists()
        assert "auc" in invoke(*share, "2/2").output
        assert invoke(*alone, "alone").exit_code == 0
        for name in ("test.csv", "test.json"):
            of_both = (run / "evaluations/shared" / name).read_bytes()
            assert of_both == (run / "evaluations/alone" / name).read_bytes()
        assert names(run / "evaluations/shared") == ["test.csv", "test.json"]

    @pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b"])
    def test_a_share_that_makes_no_sense(self, runs, data, shard):
        result = invoke("evaluate", runs / "cyborg_tiny-cyborg-seed0", "--data", data, "--shard", shard)
        assert (result.exit_code, "A shard is i/n" in result.output) == (1, True)

    def test_a_folder_that_is_no_run(self, data, tmp_path):
        result = invoke("evaluate", tmp_path, "--data", data)
        assert (result.exit_code, "is not a run folder" in result.output) == (1, True)

    def test_a_split_that_is_not_there(self, runs, data):
        result = invoke("evaluate", runs / "cyborg_tiny-cyborg-seed0", "--data", data, "--split", "extra")
        assert (result.exit_code, "no extra split" in result.output) == (1, True)


class TestReport:
    def test_it_prints_what_it_writes(self, runs, tmp_path):
        result = invoke("report", runs, tmp_path / "out")
        assert result.exit_code == 0
        assert "cyborg_tiny" in result.output
        assert (tmp_path / "out/index.html").is_file()

    def test_another_detector_competes_by_its_scores(self, runs, tmp_path):
        rows = [f"test{i:03d}.png,{i % 2}" for i in range(8)]
        (tmp_path / "theirs.csv").write_text("\n".join(["image,score", *rows]))
        result = invoke("report", runs, tmp_path / "out", "--scores", tmp_path / "theirs.csv")
        assert (result.exit_code, "theirs" in result.output) == (0, True)
        assert "other,theirs,auc,1,1.0" in (tmp_path / "out/summary.csv").read_text()

    def test_scores_that_do_not_fit_are_one_line_and_write_nothing(self, runs, tmp_path):
        (tmp_path / "theirs.csv").write_text("image,score\nnone,1\n")
        result = invoke("report", runs, tmp_path / "out", "--scores", tmp_path / "theirs.csv")
        assert (result.exit_code, "theirs.csv, line 2" in result.output) == (1, True)
        assert not (tmp_path / "out").exists()

    def test_the_papers_stand_beside_what_was_run(self, runs):
        result = invoke("compare-papers", runs)
        assert result.exit_code == 0
        assert "| 0.612 ± 0.050 | – | 0 | not run |" in result.output
        assert "no pretrained weights" in result.output

    def test_a_folder_without_runs(self, tmp_path):
        result = invoke("report", tmp_path, tmp_path / "out")
        assert (result.exit_code, "no finished run" in result.output) == (1, True)


class TestScore:
    def test_it_agrees_with_the_run(self, runs, data, tmp_path):
        run = runs / "cyborg_tiny-cyborg-seed0"
        result = invoke("score", run, data / "images/test000.png", "--cams", tmp_path, "--device", "cpu")
        told = float(result.output.splitlines()[1].split(",")[2])
        stored = float((run / "scores/test.csv").read_text().splitlines()[1].split(",")[5])
        assert told == pytest.approx(stored, abs=1e-4)
        assert names(tmp_path) == ["test000.png"]

    def test_any_size_will_do(self, runs, tmp_path):
        (tmp_path / "big.png").write_bytes(picture("fake", 1, side=100))
        result = invoke("score", runs / "cyborg_tiny-cyborg-seed0", tmp_path / "big.png")
        assert np.isfinite(float(result.output.splitlines()[1].split(",")[1]))

    def test_an_image_that_is_not_there(self, runs, tmp_path):
        result = invoke("score", runs / "cyborg_tiny-cyborg-seed0", tmp_path / "none.png")
        assert (result.exit_code, "none.png does not exist" in result.output) == (1, True)
