"""The recipes of both papers, and those of two other detectors, from end to end on a few small images."""

import pytest

from tests.training.conftest import fill
from tests.training.test_main import invoke
from training.dataset import DatasetWriter
from training.folder import RunFolder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five images of each split, `extra` among them."""
    root = tmp_path_factory.mktemp("few") / "data"
    with DatasetWriter(root, study="s", map_set="m") as writer:
        fill(writer, train=5, val=4, test=4, extra=4)
    return root


SMALL = ("--limit", 4, "--epochs", 1, "--seeds", 1, "--weights", "none", "--device", "cpu")


@pytest.mark.parametrize(
    ("recipe", "runs", "side"),
    [
        ("wacv2023", 12, 96),
        ("droid2023", 6, 64),
        pytest.param("wang2020", 2, 64, marks=pytest.mark.slow),
        pytest.param("dang2020", 2, 96, marks=pytest.mark.slow),
    ],
)
def test_every_run_ends_with_metrics(data, tmp_path, recipe, runs, side):
    result = invoke("fit", recipe, "--data", data, "--out", tmp_path / "runs", *SMALL, "--image-size", side)
    assert result.exit_code == 0, result.output
    folders = [RunFolder(path) for path in (tmp_path / "runs").iterdir()]
    assert len(folders) == runs
    assert all(folder.is_finished for folder in folders)
    assert {folder.record()["config"]["limit"] for folder in folders} == {4}
