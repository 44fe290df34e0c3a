"""The run folder: where everything of a run is, and how it is written without ever being half-written.

run.json  events.jsonl  checkpoints/{best,last}.safetensors  metrics.json  scores/<split>.csv  maps/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from training.config import RunConfig
from training.errors import RunError
from training.events import Epoch, Evaluated, Event, Failed, Finished, parse_event
from training.files import read_json, write_json, write_text
from training.model.network_input import Input


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of a run folder, and its small files."""

    root: Path

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    @property
    def best(self) -> Path:
        """Weights of the epoch that was chosen on the validation split."""
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
        """run.json: everything needed to repeat the run."""
        return read_json(self.root / "run.json")

    def config(self) -> RunConfig:
        """What the run was asked to do."""
        try:
            return RunConfig.model_validate(self.record()["config"])
        except (KeyError, ValidationError):
            raise RunError(f"{self.root / 'run.json'} is not the record of a run.") from None

    def expects(self) -> Input:
        """What its network takes of a picture."""
        try:
            return Input.of_record(self.record()["input"])
        except (KeyError, TypeError, ValueError):
            raise RunError(f"{self.root / 'run.json'} does not say what the network takes.") from None

    def begin(self, record: dict[str, Any]) -> None:
        """Write run.json, or make sure that the one that is there belongs to the same run."""
        if not (self.root / "run.json").is_file():
            (self.root / "checkpoints").mkdir(parents=True, exist_ok=True)
            write_json(self.root / "run.json", record)
            return
        known = self.record()
        known["config"] = self.config().model_dump(mode="json")  # with defaults that came later
        known["input"] = self.expects().as_record()
        for key in ("config", "dataset", "input"):
            differing = _differing(known.get(key, {}), record[key])
            if differing:
                raise RunError(f"{self.root} belongs to another run: its {key} differs in {differing}.")

    def append(self, event: Event) -> None:
        """Add one line to events.jsonl."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self.events.open("a", encoding="utf-8") as stream:
            stream.write(event.line() + "\n")

    def history(self) -> Iterator[Event]:
        """The events so far. A line that a kill has torn is no event."""
        if not self.events.is_file():
            return
        for line in self.events.read_text("utf-8").split("\n"):  # a text may hold other line separators
            try:
                yield parse_event(line)
            except ValueError:
                continue

    def epochs(self) -> list[Epoch]:
        """The epoch events in order."""
        return [event for event in self.history() if isinstance(event, Epoch)]

    def forget_after(self, epoch: int) -> None:
        """Drop what was told of epochs that were not kept, so that a resumed run has one history."""
        if not self.events.is_file():
            return
        kept = [
            event
            for event in self.history()
            if getattr(event, "epoch", 0) <= epoch and not isinstance(event, Evaluated | Finished | Failed)
        ]
        write_text(self.events, "".join(event.line() + "\n" for event in kept))


def _differing(known: Any, wanted: dict[str, Any]) -> str:
    keys = (known.keys() | wanted.keys()) - {"path"} if isinstance(known, dict) else set(wanted)
    return ", ".join(sorted(key for key in keys if known.get(key) != wanted.get(key)))
