"""`make bench`: a new project beside its peers. README.md says what the figures mean."""

import asyncio
import importlib.metadata
import os
import platform
import secrets
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from apiwright.errors import ApiwrightError
from apiwright.kit import embedded
from benchmarks import contestants, data, gate, load, processes, results, storm
from benchmarks.contestants import Contestant, LeftOut, Stage
from benchmarks.gate import Signer
from benchmarks.results import Figures, Results
from benchmarks.server import DidNotStart, Server
from benchmarks.storm import Logins

LATEST = Path(__file__).parent / "results" / "latest.json"
_STARTS = 3
_LIBRARIES = ["apiwright", "asyncpg", "fastapi", "pydantic", "sqlalchemy", "uvicorn", "uvloop"]


@dataclass(frozen=True)
class Options:
    rounds: int
    seconds: int
    """Of one workload in one round."""
    names: list[str]
    workloads: list[str]

    @classmethod
    def from_environment(cls) -> "Options":
        return cls(
            _positive("ROUNDS", 3),
            _positive("DURATION", 3),
            _chosen("ONLY", list(contestants.ALL)),
            _chosen("WORKLOADS", list(load.WORKLOADS)),
        )


def main() -> int:
    if sys.platform != "linux":
        sys.exit("The benchmarks read what processes cost from /proc, which only Linux has.")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    options = Options.from_environment()
    load.install_wrk()
    try:
        with scratch_folder() as scratch, postgres_server(scratch) as (url, postgres):
            bench = Bench(options, scratch, url, postgres)
            bench.run()
            with_node = "f-fastify-user" in bench.results.rounds
            about = _about(options, asyncio.run(data.version(url)), with_node=with_node)
    except ApiwrightError as error:
        sys.exit(f"{error.happened}\n{error.todo}")
    results.write(LATEST, bench.results, about)
    print(results.table(bench.results))
    return 1 if bench.failed else 0


class Bench:
    """One run: who takes part, in which order, and what it found out."""

    def __init__(self, options: Options, scratch: Path, url: str, postgres: int) -> None:
        key = secrets.token_hex(32)
        self.results = Results()
        self.failed = False
        """A contestant could not be set up, did not start, or did not pass the gate."""
        self._options = options
        self._scratch = scratch
        self._postgres = postgres
        self._stage = Stage(scratch, url, key)
        self._signer = Signer(key, contestants.APP_NAME)
        self._serving: dict[str, tuple[Contestant, Server]] = {}

    def run(self) -> None:
        self._write_requests()
        with ExitStack() as stack:
            for name in self._options.names:
                self._admit(name, stack)
            self._warm_up()
            for number in range(self._options.rounds):
                self._round(number)

    def _admit(self, name: str, stack: ExitStack) -> None:
        """Let it serve from here to the end, if it can and may."""
        say(f"{name}: setting up")
        log = self._scratch / f"{name}.log"
        try:
            contestant = contestants.ALL[name](self._stage)
            with Server(contestant, log) as first:  # it also compiles the bytecode
                self._wait(first)
                wrong = gate.complaints(first.call, self._signer)
                asyncio.run(data.clean(contestant.database))
                if wrong:
                    self._refuse(name, "It does not behave: " + "; ".join(wrong))
                    return
            times = []
            for _ in range(_STARTS - 1):
                with Server(contestant, log) as server:
                    times.append(self._wait(server, 200))
            server = stack.enter_context(Server(contestant, log))
            times.append(self._wait(server, 200))
        except LeftOut as why:
            self._leave_out(name, str(why))
        except (contestants.NotSetUp, DidNotStart) as error:
            say(error.said)
            self._refuse(name, str(error))
        else:
            self.results.start_s[name] = statistics.median(times)
            self._serving[name] = contestant, server
            say(f"{name}: behaves, and starts in {statistics.median(times):.2f} s")

    def _refuse(self, name: str, why: str) -> None:
        self.failed = True
        self._leave_out(name, why)

    def _leave_out(self, name: str, why: str) -> None:
        self.results.left_out[name] = why
        say(f"{name}: no figures. {why}")

    def _wait(self, server: Server, status: int | None = None) -> float:
        return server.wait(f"{load.PATH}/{data.identifier(1)}", self._signer.token(1), status)

    def _write_requests(self) -> None:
        tokens = [self._signer.token(user) for user in range(1, data.OWNERS + 1)]
        for workload in self._options.workloads:
            load.write_requests(workload, tokens, self._requests(workload))

    def _requests(self, workload: str) -> Path:
        return self._scratch / f"{workload}.txt"

    def _warm_up(self) -> None:
        for name, (contestant, server) in self._serving.items():
            say(f"{name}: warming up")
            for workload in self._options.workloads:
                load.run(server.port, self._requests(workload), seconds=1)
            asyncio.run(data.clean(contestant.database))

    def _round(self, number: int) -> None:
        """Everyone in turn, workload by workload; every other round the other way round."""
        order = list(self._serving)[:: 1 if number % 2 == 0 else -1]
        for workload in self._options.workloads:
            for name in order:
                contestant, server = self._serving[name]
                if workload == "W6" and not contestant.logs_in:
                    continue
                figures = self._measure(server, workload)
                asyncio.run(data.clean(contestant.database))
                self.results.add(name, workload, figures)
                say(
                    f"round {number + 1} of {self._options.rounds}, {workload}, {name}:"
                    f" {figures.cpu_us:.0f} µs, {figures.rps:.0f} rps"
                )

    def _measure(self, server: Server, workload: str) -> Figures:
        pids = server.pid, self._postgres
        before = [processes.cpu_seconds(pid) for pid in pids]
        beside = storm.logging_in(server) if workload == "W6" else nullcontext(Logins())
        with beside as logins:
            seen = load.run(server.port, self._requests(workload), self._options.seconds)
        after = [processes.cpu_seconds(pid) for pid in pids]
        requests = max(seen.requests, 1)
        cpu_us, pg_us = (
            (now - then) / requests * 1e6 for then, now in zip(before, after, strict=True)
        )
        return Figures(
            cpu_us=cpu_us,
            rps=seen.requests / seen.microseconds * 1e6,
            p50_ms=seen.p50 / 1000,
            p99_ms=seen.p99 / 1000,
            pg_us=pg_us,
            pss_mb=processes.memory_mb(server.pid),
            errors=seen.errors + logins.failed,
        )


@contextmanager
def scratch_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="apiwright-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextmanager
def postgres_server(scratch: Path) -> Iterator[tuple[str, int]]:
    """The URL of a server that is gone afterwards, and its process."""
    folder = scratch / "postgres"
    pid = folder / "postmaster.pid"
    say("Starting Postgres")
    try:
        with embedded.running(folder) as url:
            yield url, int(pid.read_text().split()[0])
    finally:
        if pid.exists():  # interrupted while it started
            _end(int(pid.read_text().split()[0]))
        embedded.remove(folder)


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGINT)  # a fast shutdown
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.05)
    except ProcessLookupError:
        pass


def _about(options: Options, postgres: str, *, with_node: bool) -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    versions |= {"python": platform.python_version(), "postgres": postgres}
    if with_node:
        versions |= contestants.fastify_versions()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": options.rounds,
        "duration_s": options.seconds,
        "cores": os.cpu_count(),
        "versions": versions,
    }


def _positive(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) == 0:
        sys.exit(f"{name} is {text!r}; it is a whole number, 1 or more.")
    return int(text)


def _chosen(name: str, known: list[str]) -> list[str]:
    """Those that the variable names, in our order; all when it is not set."""
    chosen = [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]
    if unknown := [part for part in chosen if part not in known]:
        sys.exit(f"{name} names {', '.join(unknown)}; there are {', '.join(known)}.")
    return [each for each in known if not chosen or each in chosen]


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # the way out is not interrupted again
    raise KeyboardInterrupt


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Interrupted: everything it started has ended; the results are those of before.")
        sys.exit(130)
