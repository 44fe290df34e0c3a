"""What the tests of each file cost in CPU seconds: `make test-all ARGS="-p tests.support.cost"`.

Wall time says little on a machine that does other things, and pytest's own durations leave out what browsers
and databases do meanwhile. Here every process of pytest has a control group of Linux; whatever it starts is
in it, too, even a server that has left its parent. Where no group can be made (only root may), the process
and those of its children that have ended are counted.
"""

import os
import resource
from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

GROUPS: Final = Path("/sys/fs/cgroup")
LONGEST: Final = 30
"""Files in the table."""


class Clock:
    """CPU seconds of this process and all that came from it."""

    def __init__(self) -> None:
        self.last = 0.0
        self.group = next((made for root in (GROUPS / "cpuacct", GROUPS) if (made := _joined(root))), None)

    def read(self) -> float:
        if self.group is None:
            usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            return sum(usage.ru_utime + usage.ru_stime for usage in usages)
        with suppress(FileNotFoundError):
            return int((self.group / "cpuacct.usage").read_text()) / 1e9
        name, microseconds = (self.group / "cpu.stat").read_text().split()[:2]
        assert name == "usage_usec"
        return int(microseconds) / 1e6

    def lap(self) -> float:
        """Since the last time."""
        before, self.last = self.last, self.read()
        return self.last - before

    def leave(self) -> None:
        if self.group is not None:
            (self.group.parent / "cgroup.procs").write_text(str(os.getpid()))
            with suppress(OSError):  # a server that still runs
                self.group.rmdir()


def _joined(root: Path) -> Path | None:
    """A new group with this process in it."""
    group = root / f"pytest-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        return None
    return group


class Cost:
    """Tells each report what its phase cost, and adds up what the reports of all processes say."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.tests: Counter[str] = Counter()

    def pytest_runtest_logstart(self) -> None:
        self.clock.lap()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        report.user_properties = [("cpu_s", self.clock.lap())]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        seconds = dict(report.user_properties)["cpu_s"]
        assert isinstance(seconds, float)
        self.spent[file] += seconds
        self.tests[file] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        total = sum(self.spent.values())
        terminalreporter.section(f"{total:.0f} CPU seconds in {self.tests.total()} tests")
        for file, seconds in sorted(self.spent.items(), key=lambda one: -one[1])[:LONGEST]:
            terminalreporter.write_line(f"{seconds:7.1f} s {self.tests[file]:5d} {file}")

    def pytest_unconfigure(self) -> None:
        self.clock.leave()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Cost(), "cost")
