"""What a run found out: figures, their medians, the table, the file."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.load import WORKLOADS

BASE = "b-async-orm"

FOOTNOTES = f"""\
CPU µs: of the server's processes, per request; the steadiest figure (±15 % from run to run).
x: how many times less CPU, and how many times more requests, than {BASE}.
pg µs: of Postgres, per request. PSS: memory of the server's processes.
W2: the peers also count all of one's tasks, as their lists do; ours says only where the next
page begins. They look up the user in a statement of its own, ours in the first round trip."""


@dataclass(frozen=True)
class Figures:
    """Of one contestant under one workload."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    pg_us: float
    pss_mb: float
    errors: int

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 2) for name, value in asdict(self).items()}


@dataclass
class Results:
    rounds: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    """By contestant and workload, one for each round."""
    start_s: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Why a contestant has no figures."""

    def add(self, name: str, workload: str, figures: Figures) -> None:
        self.rounds.setdefault(name, {}).setdefault(workload, []).append(figures)

    def medians(self) -> dict[str, dict[str, Figures]]:
        return {
            name: {workload: _median(rounds) for workload, rounds in workloads.items()}
            for name, workloads in self.rounds.items()
        }


def _median(rounds: list[Figures]) -> Figures:
    """Value by value; of the errors the sum, since none should be."""
    values = {
        each.name: statistics.median(getattr(figures, each.name) for figures in rounds)
        for each in fields(Figures)
    }
    return Figures(**values | {"errors": sum(figures.errors for figures in rounds)})


def write(file: Path, results: Results, about: dict[str, Any]) -> None:
    figures = {
        name: {workload: median.rounded() for workload, median in workloads.items()}
        for name, workloads in results.medians().items()
    }
    start = {name: round(seconds, 2) for name, seconds in results.start_s.items()}
    found = {"contestants": figures, "start_s": start, "left_out": results.left_out}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(about | found, indent=2) + "\n")


def table(results: Results) -> str:
    medians = results.medians()
    parts = ["\n".join(_rows(workload, medians)) for workload in WORKLOADS]
    parts += [
        f"{name}: the p50 of W1 with four logins a second beside it is"
        f" {_ratio(its['W6'].p50_ms, its['W1'].p50_ms)} times what it is without"
        for name, its in medians.items()
        if {"W1", "W6"} <= its.keys()
    ]
    starts = [
        f"{name:15} {seconds:7.2f} s from start to first answer"
        for name, seconds in results.start_s.items()
    ]
    left_out = [f"{name:15} has no figures: {why}" for name, why in results.left_out.items()]
    parts += ["\n".join(starts), "\n".join(left_out), FOOTNOTES]
    return "\n\n".join(part for part in parts if part)


def _rows(workload: str, medians: dict[str, dict[str, Figures]]) -> Iterator[str]:
    found = {name: figures[workload] for name, figures in medians.items() if workload in figures}
    if not found:
        return
    base_cpu, base_rps = (found[BASE].cpu_us, found[BASE].rps) if BASE in found else (None, None)
    yield f"{workload}: {WORKLOADS[workload]}"
    yield (
        f"{'contestant':15} {'CPU µs':>7} {'x':>6} {'rps':>7} {'x':>6} {'p50 ms':>7} {'p99 ms':>7}"
        f" {'pg µs':>6} {'PSS MB':>7} {'errors':>7}"
    )
    for name, its in found.items():
        yield (
            f"{name:15} {its.cpu_us:7.0f} {_ratio(base_cpu, its.cpu_us):>6}"
            f" {its.rps:7.0f} {_ratio(its.rps, base_rps):>6} {its.p50_ms:7.2f}"
            f" {its.p99_ms:7.2f} {its.pg_us:6.0f} {its.pss_mb:7.0f} {its.errors:7}"
        )


def _ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.2f}" if above and below else "-"
