"""The load: what each workload sends, and wrk, which sends it."""

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import data

PATH = "/api/v1/tasks"
WORKLOADS = {
    "W1": "get one own task",
    "W2": "list 20 own tasks",
    "W3": "create a task",
    "W4": "update a task",
    "W5": "60 % W1, 25 % W2, 10 % W3, 5 % W4",
    "W6": "W1, and four logins a second beside it",
}
_MIXED = {"W5": {"W1": 60, "W2": 25, "W3": 10, "W4": 5}, "W6": {"W1": 100}}
_REQUESTS = 4_000  # in a file; sent over and over
CONNECTIONS = 16
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Answers:
    """What wrk saw in one run."""

    requests: int
    microseconds: int
    p50: int
    p99: int
    errors: int
    """Statuses of 400 and more, broken connections, time-outs."""


def install_wrk() -> None:
    """Exits, in words, where there is no wrk and none can be installed."""
    if shutil.which("wrk"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("The load comes from wrk, which is not installed: install the package `wrk`.")
    print("Installing the package `wrk`, which makes the load", file=sys.stderr)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", "wrk"]):
        command = ["apt-get", "-qq", *words]
        if subprocess.run(command, stdout=subprocess.DEVNULL, env=environment).returncode != 0:
            sys.exit("apt-get could not install the package `wrk`, which makes the load.")


def write_requests(workload: str, tokens: list[str], file: Path) -> None:
    """`tokens` are those of the users who sign in, in their order."""
    chance = random.Random(42)  # noqa: S311  # the same requests for everybody, in every run
    kinds = _MIXED.get(workload, {workload: 100})
    parts = [kind for kind, percent in kinds.items() for _ in range(percent * _REQUESTS // 100)]
    chance.shuffle(parts)
    lines = [_request(kind, number, tokens, chance) for number, kind in enumerate(parts)]
    file.write_text("".join(f"{line}\n" for line in lines))


def _request(workload: str, number: int, tokens: list[str], chance: random.Random) -> str:
    owner = chance.randint(1, data.OWNERS)
    token, task = tokens[owner - 1], chance.choice(data.tasks_of(owner))
    if workload == "W1":
        return f"GET {PATH}/{task} {token}"
    if workload == "W2":
        return f"GET {PATH}?limit=20 {token}"
    if workload == "W3":
        body = {"title": f"New task {number}", "description": f"Number {number} of the load's."}
        return f"POST {PATH} {token} {json.dumps(body)}"
    return f"PATCH {PATH}/{task} {token} " + json.dumps(
        {"done": number % 2 == 0, "title": f"Renamed {number}"}
    )


def run(port: int, requests: Path, seconds: int, *, pause_ms: int = 0) -> Answers:
    """`pause_ms`: of each connection, between an answer and its next request."""
    command = ["wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s"]
    command += ["--timeout=5s", f"--script={_SCRIPT}", f"http://127.0.0.1:{port}"]
    command += ["--", str(requests), str(pause_ms)]
    done = subprocess.run(command, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            return Answers(**json.loads(line))
    raise RuntimeError(f"wrk said nothing of use: {done.stdout}{done.stderr}")
