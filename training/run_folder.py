"""The run folder: the paths of its files, its record, and its event log.

run.json  events.jsonl  checkpoints/{best,last}.safetensors  metrics.json  scores/<split>.csv  maps/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.config import RunConfig
from training.errors import RunError
from training.events import EpochEvent, EvaluatedEvent, Event, FailedEvent, FinishedEvent, parse_event
from training.files import read_json, write_json, write_text
from training.model.network_input import NetworkInput


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a run folder, with readers and writers of run.json and events.jsonl."""

    root: Path

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def best(self) -> Path:
        """Weights of the epoch that the validation split chose."""
        return self.root / "checkpoints" / "best.safetensors"

    @property
    def last(self) -> Path:
        """Weights and optimiser state of the last complete epoch."""
        return self.root / "checkpoints" / "last.safetensors"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.json"

    @property
    def scores(self) -> Path:
        return self.root / "scores"

    @property
    def maps(self) -> Path:
        return self.root / "maps"

    @property
    def is_finished(self) -> bool:
        """metrics.json is the last file that a run writes."""
        return self.metrics.is_file()

    def record(self) -> dict[str, Any]:
        """The content of run.json: everything needed to repeat the run."""
        return read_json(self.root / "run.json")

    def config(self) -> RunConfig:
        """The configuration of the run; `RunError` if run.json has none."""
        try:
            return RunConfig.model_validate(self.record()["config"])
        except (KeyError, ValidationError):
            raise RunError(f"{self.root / 'run.json'} is not the record of a run.") from None

    def network_input(self) -> NetworkInput:
        """The input of the run's network; `RunError` if run.json has none."""
        try:
            return NetworkInput.of_record(self.record()["input"])
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{self.root / 'run.json'} does not say what the network takes.") from None

    def begin(self, record: dict[str, Any]) -> None:
        """Write run.json; if there is one, `RunError` unless it is of the same run."""
        if not (self.root / "run.json").is_file():
            (self.root / "checkpoints").mkdir(parents=True, exist_ok=True)
            write_json(self.root / "run.json", record)
            return
        known = self.record()
        known["config"] = self.config().model_dump(mode="json")  # adds defaults that an older record lacks
        known["input"] = self.network_input().as_record()
        for key in ("config", "dataset", "input", "teacher"):
            differing = _differing(known.get(key, {}), record[key])
            if differing:
                raise RunError(f"{self.root} belongs to another run: its {key} differs in {differing}.")

    def append(self, event: Event) -> None:
        """Add one line to events.jsonl."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self.events.open("a", encoding="utf-8") as stream:
            stream.write(event.line() + "\n")

    def history(self) -> Iterator[Event]:
        """The events so far; a line that is cut off, because the process was killed, is skipped."""
        if not self.events.is_file():
            return
        for line in self.events.read_text("utf-8").split("\n"):  # not splitlines: texts may hold other breaks
            try:
                yield parse_event(line)
            except ValueError:
                continue

    def epochs(self) -> list[EpochEvent]:
        """The epoch events in order."""
        return [event for event in self.history() if isinstance(event, EpochEvent)]

    def drop_events_after(self, epoch: int) -> None:
        """Remove events of later epochs, and of an end, so that a resumed run has one history."""
        if not self.events.is_file():
            return
        events = [
            event
            for event in self.history()
            if getattr(event, "epoch", 0) <= epoch
            and not isinstance(event, EvaluatedEvent | FinishedEvent | FailedEvent)
        ]
        write_text(self.events, "".join(event.line() + "\n" for event in events))


def _differing(known: Any, wanted: dict[str, Any]) -> str:
    keys = (known.keys() | wanted.keys()) - {"path"} if isinstance(known, dict) else set(wanted)
    return ", ".join(sorted(key for key in keys if known.get(key) != wanted.get(key)))
