"""`python -m benchmarks.soak`: a new project under four fifths of what it can bear, for ten minutes
(SECONDS changes it): what grows with time, would grow for ever. README.md says more."""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

from apiwright.kit import postgres_url
from benchmarks import contestants, data, load, processes
from benchmarks.contestants import Stage
from benchmarks.gate import Signer
from benchmarks.run import postgres_server, say, scratch_folder
from benchmarks.server import Server

_SAMPLES = 20
_MEASURED = ("PSS MB", "files", "connections")
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SHARE = 0.8  # of the peak


def main() -> int:
    seconds = int(os.environ.get("SECONDS", "600"))
    load.install_wrk()
    with scratch_folder() as folder, postgres_server(folder) as (url, _):
        stage = Stage(folder, url, "s" * 64)
        signer = Signer(stage.key, contestants.APP_NAME)
        contestant = contestants.ALL["apiwright"](stage)
        requests = folder / "requests.txt"
        tokens = [signer.token(user) for user in range(1, data.OWNERS + 1)]
        load.write_requests("W5", tokens, requests)
        with Server(contestant, folder / "soak.log") as server:
            server.wait(f"{load.PATH}/{data.identifier(1)}", tokens[0], 200)
            load.run(server.port, requests, 5)  # warms up
            peak = load.run(server.port, requests, 15)
            rate = peak.requests / peak.microseconds * 1e6
            pause = load.CONNECTIONS / (_SHARE * rate) * 1000 - peak.p50 / 1000
            say(f"peak {rate:.0f} requests a second; now {_SHARE:.0%} of that for {seconds} s")
            with ThreadPoolExecutor(1) as thread:
                answers = thread.submit(
                    load.run, server.port, requests, seconds, pause_ms=max(round(pause), 0)
                )
                samples = _samples(server.pid, contestant.database, seconds)
                seen = answers.result()
    print(f"{seen.requests / seen.microseconds * 1e6:.0f} requests a second, {seen.errors} errors")
    for name, values in zip(_MEASURED, zip(*samples, strict=True), strict=True):
        third = len(values) // 3
        early, late = mean(values[:third]), mean(values[-third:])
        print(f"{name:12} first third {early:6.1f}   last third {late:6.1f}")
    return 1 if seen.errors else 0


def _samples(pid: int, database: str, seconds: int) -> list[tuple[float, int, int]]:
    found = []
    for number in range(_SAMPLES):
        time.sleep(seconds / (_SAMPLES + 1))
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        found.append((processes.memory_mb(pid), files, asyncio.run(_connections(database))))
        say(f"{number + 1} of {_SAMPLES}: " + ", ".join(map(str, found[-1])))
    return found


async def _connections(database: str) -> int:
    connection = await postgres_url.connect(database)
    try:
        return int(await connection.fetchval(_OTHERS))
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
