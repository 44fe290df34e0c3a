import json

import numpy as np
import pytest

from accuracy.shortcuts.audit import AuditedImage, audit
from tests.training.conftest import picture, png, saliency
from tests.training.test_main import invoke
from tests.training.test_run import config, run
from training.data.cautions import MapCounts, cautions
from training.data.dataset import AUDIT, DatasetWriter
from training.errors import DatasetError
from training.events import StartedEvent
from training.run_folder import RunFolder

GUIDED = [
    "cyborg",
    "hseb",
    "cyborg_droid",
    "attention",
    "right_reasons",
    "tolerance_band",
    "harmonizer",
    "blur",
]
FREE = [
    "cross_entropy",
    "fmmmse",
    "droid",
    {"name": "cyborg", "map_weight": 0},
    {"name": "attention", "map_weight": 0},
    {"name": "right_reasons", "gradient_weight": 0},
    {"name": "harmonizer", "map_weight": 0},
]
BLACK, WHITE = (png(np.full((40, 40), value, np.uint16)) for value in (0, 65535))


@pytest.fixture
def painted(tmp_path):
    """A dataset of 16 training images, of which those named have a map."""

    def make(real=0, fake=0, content=None):
        left = {"real": real, "fake": fake}
        with DatasetWriter(tmp_path / "data", study="s", map_set="m") as writer:
            for split, total in {"train": 16, "val": 4, "test": 4}.items():
                for i in range(total):
                    label = ("real", "fake")[i % 2]
                    drawn = split == "train" and left[label] > 0
                    left[label] -= drawn
                    writer.add(
                        image_id=f"{split}{i}",
                        image=picture(label, i),
                        label=label,
                        source=label,
                        split=split,
                        map=(content or saliency()) if drawn else None,
                    )
        return tmp_path / "data"

    return make


class TestNoMapAtAll:
    @pytest.mark.parametrize("objective", GUIDED)
    def test_an_objective_that_compares_with_maps_is_refused(self, objective):
        with pytest.raises(DatasetError, match=rf"The objective {objective} compares .* none of 16 training"):
            cautions(config(objective=objective), MapCounts(16, 0, 0))

    @pytest.mark.parametrize("objective", FREE)
    def test_others_say_nothing(self, objective):
        assert cautions(config(objective=objective), MapCounts(16, 0, 0)) == ()

    def test_nothing_is_left_of_such_a_run(self, painted, tmp_path):
        with pytest.raises(DatasetError, match="none of 16 training images"):
            run(painted(), tmp_path / "r")
        assert not (tmp_path / "r/run.json").exists()

    def test_black_maps_are_none(self, painted, tmp_path):
        with pytest.raises(DatasetError, match="none of 16 training images has one that says something"):
            run(painted(4, 4, BLACK), tmp_path / "r")

    def test_a_keep_rate_may_leave_none(self, painted, tmp_path):
        objective = {"name": "cyborg", "keep_rate": 0.001}
        with pytest.raises(DatasetError, match=r"keep_rate 0\.001 keeps none of 8 maps; cyborg needs some"):
            run(painted(4, 4), tmp_path / "r", objective=objective)

    def test_one_map_cannot_be_shuffled(self, painted, tmp_path):
        with pytest.raises(DatasetError, match=r"shuffled.* needs maps of two images at least"):
            run(painted(1, 0), tmp_path / "r", maps="shuffled")

    def test_a_folder_of_maps_without_any_of_these_images(self, painted, tmp_path):
        (tmp_path / "teacher").mkdir()
        with pytest.raises(DatasetError, match="none of 16 training images"):
            run(painted(4, 4), tmp_path / "r", maps="teacher", maps_folder=tmp_path / "teacher")

    @pytest.mark.parametrize("option", ["--dry-run", "--stop-at-failure"])
    def test_the_whole_grid_is_refused_before_its_first_run(self, painted, recipe, tmp_path, option):
        result = invoke("fit", recipe, "--data", painted(), "--out", tmp_path / "runs", option)
        assert (result.exit_code, "cyborg compares with maps" in result.output) == (1, True)
        assert not (tmp_path / "runs").exists()


class TestFewMaps:
    @pytest.mark.parametrize(
        ("counts", "maps", "said"),
        [
            ((16, 4, 4, 0), "human", ()),
            ((16, 1, 2, 0), "human", ("Only 3 of 16 training images have a map: less than one in a batch.",)),
            ((16, 0, 5, 0), "human", ("Only fake images have a map, 5 of 16 training images.",)),
            ((16, 5, 0, 0), "human", ("Only real images have a map, 5 of 16 training images.",)),
            ((16, 4, 4, 8), "human", ("Every map is the same all over its image and points nowhere.",)),
            ((16, 4, 4, 7), "human", ()),
            ((16, 4, 4, 8), "uniform", ()),
        ],
    )
    def test_what_they_leave_little_to_say_is_said(self, counts, maps, said):
        assert cautions(config(maps=maps), MapCounts(*counts)) == said

    def test_white_maps_point_nowhere(self, painted, tmp_path):
        started = run(painted(4, 4, WHITE), tmp_path / "r", epochs=1)[0]
        assert started.cautions == ("Every map is the same all over its image and points nowhere.",)


@pytest.fixture
def recipe(tmp_path):
    settings = 'epochs = 1\nbatch_size = 4\nimage_size = 32\nweights = "none"\ndevice = "cpu"\n'
    text = 'name = "r"\narchitectures = ["cyborg_tiny"]\nobjectives = ["cross_entropy", "cyborg"]\n'
    (tmp_path / "r.toml").write_text(f"{text}[run]\n{settings}")
    return tmp_path / "r.toml"


class TestWhereItStays:
    SAID = "Only fake images have a map, 5 of 16 training images."

    def test_from_the_plan_to_the_report(self, painted, recipe, tmp_path):
        data, out = painted(0, 5), tmp_path / "runs"
        plan = invoke("fit", recipe, "--data", data, "--dry-run").output
        assert f"caution, 1 of 2 runs: {self.SAID}" in plan
        fitted = invoke("fit", recipe, "--data", data, "--out", out)
        assert f"caution: cyborg_tiny-cyborg-seed0: {self.SAID}" in fitted.output
        folder = RunFolder(out / "cyborg_tiny-cyborg-seed0")
        assert json.loads((folder.root / "run.json").read_text())["cautions"] == [self.SAID]
        assert [e.cautions for e in folder.history() if isinstance(e, StartedEvent)] == [(self.SAID,)]
        invoke("report", out, tmp_path / "report")
        assert self.SAID in (tmp_path / "report/runs.csv").read_text()
        page = (tmp_path / "report/index.html").read_text()
        assert f"{self.SAID} <small>(cyborg_tiny cyborg)</small>" in page
        assert self.SAID[:-1] in invoke("compare-papers", out).output
        invoke("export", folder.root, tmp_path / "model")
        assert f"- **Caution:** {self.SAID}" in (tmp_path / "model/README.md").read_text()

    def test_what_the_audit_warned_of_stays_with_every_run(self, painted, recipe, tmp_path):
        data, out = painted(4, 4), tmp_path / "runs"
        images = [
            AuditedImage(f"i{i}", i % 2 == 1, "s", {"size": np.array([i % 2, i % 3], float)})
            for i in range(60)
        ]
        found = audit(images)
        (said,) = found.warnings
        (data / AUDIT).write_text(json.dumps(found.as_record()))
        plan = invoke("fit", recipe, "--data", data, "--dry-run").output
        assert f"caution, 2 of 2 runs: {said}" in plan
        assert invoke("fit", recipe, "--data", data, "--out", out).exit_code == 0
        folder = out / "cyborg_tiny-cross_entropy-seed0"
        assert json.loads((folder / "run.json").read_text())["cautions"] == [said]
        invoke("report", out, tmp_path / "report")
        assert f"{said} <small>(cyborg_tiny cross_entropy, " in (tmp_path / "report/index.html").read_text()
        invoke("export", folder, tmp_path / "model")
        assert f"- **Caution:** {said}" in (tmp_path / "model/README.md").read_text()
