import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.training.conftest import picture
from training.__main__ import app
from training.folder import RunFolder

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
    @pytest.mark.parametrize("command", ["fit", "evaluate", "report", "score", "import-und"])
    def test_it_explains_itself(self, command):
        result = invoke(command, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output


class TestFit:
    def test_it_makes_one_folder_per_run(self, runs):
        assert names(runs) == ["cyborg_tiny-cross_entropy-seed0", "cyborg_tiny-cyborg-seed0"]

    def test_finished_runs_are_left_alone(self, runs, data, recipe):
        before = [(RunFolder(run).metrics).stat().st_mtime_ns for run in runs.iterdir()]
        assert invoke("fit", recipe, "--data", data, "--out", runs, "--seeds", 1).exit_code == 0
        assert [(RunFolder(run).metrics).stat().st_mtime_ns for run in runs.iterdir()] == before

    def test_a_dry_run_prints_the_plan_and_trains_nothing(self, tmp_path):
        result = invoke("fit", "wacv2023", "--data", tmp_path, "--out", tmp_path / "runs", "--dry-run")
        assert "wacv2023: 120 runs" in result.output
        assert not (tmp_path / "runs").exists()

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
