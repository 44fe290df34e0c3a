import pytest
import torch

from tests.training.test_run import config, run, same, weights
from training.config import OBJECTIVES, RunConfig, TrainingJob
from training.engine.device import decide
from training.errors import RecipeError
from training.events import EpochEvent
from training.run import run_job
from training.run_folder import RunFolder


def computation(device="cuda", steps=100_000, **settings):
    return decide(RunConfig(architecture="a", **settings), torch.device(device), steps=steps)


@pytest.fixture
def modern(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))


class TestAuto:
    def test_on_a_cpu_nothing_is_on(self):
        plain = computation("cpu", deterministic=False)
        assert plain.precision == "float32"
        assert not any((plain.channels_last, plain.compile, plain.cuda_graphs))

    def test_on_a_gpu_all_is_on(self, modern):
        fast = computation(deterministic=False)
        assert fast.precision == "bfloat16"
        assert all((fast.channels_last, fast.compile, fast.cuda_graphs))

    def test_where_bits_must_repeat_nothing_is_compiled(self, modern):
        exact = computation()
        assert (exact.precision, exact.channels_last) == ("bfloat16", True)
        assert (exact.compile, exact.cuda_graphs) == (False, True)

    def test_a_step_whose_scale_is_looked_at_is_not_recorded(self, modern):
        assert not computation(precision="float16").cuda_graphs
        with pytest.raises(RecipeError, match="not for float16"):
            computation(precision="float16", cuda_graphs="on")

    @pytest.mark.parametrize("objective", ["right_reasons", "harmonizer"])
    def test_what_derives_twice_is_neither_compiled_nor_recorded(self, modern, objective):
        plain = computation(deterministic=False, objective=objective)
        assert (plain.compile, plain.cuda_graphs, plain.channels_last) == (False, False, True)

    def test_a_short_run_is_not_worth_compiling(self, modern):
        assert not computation(deterministic=False, steps=10_000).compile

    def test_an_old_gpu_computes_in_float32(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 0))
        assert computation(deterministic=False).precision == "float32"

    def test_several_processes_are_not_compiled(self, modern, monkeypatch):
        monkeypatch.setenv("WORLD_SIZE", "2")
        assert not computation(deterministic=False).compile
        with pytest.raises(RecipeError, match="for runs on one device"):
            computation(compile="on")

    def test_cuda_graphs_need_a_gpu(self):
        with pytest.raises(RecipeError, match="needs a GPU"):
            computation("cpu", cuda_graphs="on")


class TestHalfPrecision:
    @pytest.mark.parametrize("name", OBJECTIVES)
    def test_every_objective_trains_in_bfloat16(self, data, tmp_path, name):
        events = run(data, tmp_path / "r", objective=name, precision="bfloat16", epochs=1)
        (epoch,) = (event for event in events if isinstance(event, EpochEvent))
        assert 0 < epoch.terms["loss"] < 10
        assert RunFolder(tmp_path / "r").record()["computation"]["precision"] == "bfloat16"

    def test_float16_resumes_with_the_scale_it_had(self, data, tmp_path):
        run(data, tmp_path / "whole", precision="float16")
        story = run_job(TrainingJob(run=config(precision="float16"), dataset=data, out=tmp_path / "halves"))
        next(event for event in story if isinstance(event, EpochEvent))
        story.close()
        run(data, tmp_path / "halves", precision="float16")
        assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))


class TestOptions:
    def test_channels_last_changes_nothing_but_the_layout(self, data, tmp_path):
        run(data, tmp_path / "r", channels_last="on", epochs=1)
        assert RunFolder(tmp_path / "r").record()["computation"]["channels_last"] is True

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")
    def test_a_compiled_network_learns_the_same(self, data, tmp_path):
        compiled = run(data, tmp_path / "c", compile="on", epochs=1)
        plain = run(data, tmp_path / "p", epochs=1)
        terms = [next(e for e in events if isinstance(e, EpochEvent)).terms for events in (compiled, plain)]
        assert terms[0] == pytest.approx(terms[1], rel=1e-3)
