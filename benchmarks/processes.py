"""What a process and its children cost, as Linux tells it in /proc."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and everything below it has used, those that ended included."""
    running = dict(_processes())
    ticks = sum(running[each].own for each in _tree(pid, running))
    return (ticks + running[pid].ended_children) / _TICK


def memory_mb(pid: int) -> float:
    """Proportional set size of a process and everything below it: shared pages count once."""
    running = dict(_processes())
    return sum(_pss_kb(each) for each in _tree(pid, running)) / 1024


class _Process:
    def __init__(self, stat: str) -> None:
        fields = stat[stat.rindex(")") + 2 :].split()  # the name before may hold anything
        self.parent = int(fields[1])
        self.own = int(fields[11]) + int(fields[12])
        self.ended_children = int(fields[13]) + int(fields[14])


def _processes() -> Iterator[tuple[int, _Process]]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
                yield int(folder.name), _Process((folder / "stat").read_text())


def _tree(root: int, running: dict[int, _Process]) -> Iterator[int]:
    yield root
    for pid, process in running.items():
        if process.parent == root:
            yield from _tree(pid, running)


def _pss_kb(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
