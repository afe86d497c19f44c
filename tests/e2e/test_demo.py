"""`make demo`: what it prints can be repeated, and Ctrl-C leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.conftest import environment, processes_of

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


def test_the_transcript_can_be_repeated_line_by_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = environment(PORT=str(port), TMPDIR=str(tmp_path))
    with subprocess.Popen(
        [sys.executable, DEMO], env=variables, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        lines = []
        for line in demo.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        answers = [line for line in lines if re.match(r"\d{3}( |$)", line)]
        assert [answer[:3] for answer in answers] == [*["201"] * 5, "204", "404", "200"]

        commands = [line[2:] for line in lines if line.startswith(("$ curl", "$ ADA", "$ BOB"))]
        again = subprocess.run(
            ["sh", "-c", "; echo; ".join(commands)], capture_output=True, text=True, check=True
        )
        *_, bobs, adas = again.stdout.strip().splitlines()
        assert (f"404 {bobs}", f"200 {adas}") == (answers[-2], answers[-1])

        folder = next(line.split()[-1] for line in lines if line.startswith("The project:"))
        demo.send_signal(signal.SIGINT)
        assert "its folder is gone" in demo.stdout.read()
    assert demo.returncode == 0
    assert not Path(folder).exists()
    assert processes_of(Path(folder)) == []


def test_a_port_in_use_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, DEMO],
            env=environment(PORT=str(port)),
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == f"Port {port} is in use. Choose another: make demo PORT={port + 1}\n"


def test_it_ends_with_its_terminal(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    demo = subprocess.Popen(
        [sys.executable, DEMO],
        env=environment(PORT=str(port), TMPDIR=str(tmp_path)),
        stdout=subprocess.DEVNULL,
    )
    while not any(tmp_path.glob("*/shop/dev.log")):
        time.sleep(0.05)
    os.kill(demo.pid, signal.SIGHUP)
    assert demo.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
