"""The resident memory of this process, as Linux has it."""

from pathlib import Path


def resident(*, peak: bool = False) -> int:
    """Resident bytes of this process, now or at their peak.

    Not `ru_maxrss`, which a process takes over from the one that started it: a parent that filled a database
    would be measured in place of a small child.
    """
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))
