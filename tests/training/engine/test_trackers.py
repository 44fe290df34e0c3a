import logging

import pytest

from tests.training.test_run import config, run
from training.engine.trackers import Trackers, scalars_of
from training.events import EvaluatedEvent, FinishedEvent, StepEvent


class Deaf:
    """A tracker whose server is away."""

    def __init__(self, *_):
        pass

    def report(self, *_):
        raise ConnectionError("the server is away")

    def close(self, **_):
        raise ConnectionError("the server is away")


def step(number=1):
    return StepEvent(epoch=2, step=number, steps=10, terms={"loss": 0.5, "map": None}, images_per_s=3.0)


class TestScalars:
    def test_what_is_not_defined_is_left_out(self):
        assert dict(scalars_of(step())) == {"step/loss": 0.5}

    def test_metrics_carry_their_split(self):
        assert dict(scalars_of(EvaluatedEvent(split="test", metrics={"auc": 0.7}))) == {"test/auc": 0.7}


class TestTrackers:
    def test_one_that_fails_is_heard_of_once_and_left_alone(self, monkeypatch, tmp_path, caplog):
        monkeypatch.setattr("training.engine.trackers.KINDS", {"mlflow": Deaf})
        trackers = Trackers(config(trackers=["mlflow"]), tmp_path)
        with caplog.at_level(logging.WARNING):
            for event in (step(1), step(2), FinishedEvent(metrics={})):
                trackers.report(event)
        messages = [record.message for record in caplog.records]
        assert messages == ["mlflow failed and gets no more events: the server is away"]

    def test_one_that_cannot_be_opened_stops_nothing(self, monkeypatch, tmp_path, caplog):
        monkeypatch.setattr("training.engine.trackers.KINDS", {"mlflow": lambda *_: 1 / 0})
        Trackers(config(trackers=["mlflow"]), tmp_path).report(step())
        (record,) = caplog.records
        assert "mlflow" in record.message


@pytest.mark.filterwarnings("ignore")
class TestForReal:
    def test_tensorboard_finds_the_curves(self, data, tmp_path):
        run(data, tmp_path / "r", trackers=["tensorboard"], epochs=1)
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        found = EventAccumulator(str(tmp_path / "r/tensorboard"))
        found.Reload()
        tags = set(found.Tags()["scalars"])
        assert {"step/loss", "epoch/cam_entropy", "epoch/human_entropy", "epoch/eta_s", "test/auc"} <= tags

    def test_mlflow_keeps_one_run_however_often_it_is_resumed(self, data, tmp_path, monkeypatch):
        from mlflow import MlflowClient

        uri = f"sqlite:///{tmp_path / 'm.db'}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(Exception, match="lower learning rate"):
            run(data, tmp_path / "r", trackers=["mlflow"], epochs=1, optimiser={"lr": 1e30})
        (tmp_path / "r/run.json").unlink()
        run(data, tmp_path / "r", trackers=["mlflow"], epochs=1)
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(tmp_path.name)
        (one,) = client.search_runs([experiment.experiment_id])
        assert one.info.status == "FINISHED"
        assert one.data.metrics["epoch/epoch"] == 1
        assert one.data.params["architecture"] == "cyborg_tiny"
