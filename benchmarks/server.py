"""A contestant that serves."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from benchmarks.contestants import Contestant
from benchmarks.gate import Answer

_STARTS_WITHIN = 30  # seconds
_STOPS_WITHIN = 5


class DidNotStart(Exception):
    def __init__(self, said: str) -> None:
        super().__init__("It did not start.")
        self.said = said


class Server:
    """The processes of one contestant, for as long as the `with` block runs."""

    def __init__(self, contestant: Contestant, log: Path) -> None:
        self.port = _free_port()
        self._log = log
        self._began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [part.replace("{port}", str(self.port)) for part in contestant.command],
                cwd=contestant.folder,
                env=contestant.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that all of it can be ended at once
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._signal(signal.SIGTERM)
        try:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOPS_WITHIN)
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def wait(self, path: str, token: str, status: int | None = None) -> float:
        """Seconds from the start to the first answer, of that status if one is given. Raises
        DidNotStart."""
        while time.monotonic() < self._began + _STARTS_WITHIN and self._process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if status in (None, self.call("GET", path, token).status):
                    return time.monotonic() - self._began
            time.sleep(0.005)
        raise DidNotStart(self._log.read_text(errors="replace")[-2000:])

    def call(
        self, method: str, path: str, token: str | None = None, body: dict[str, Any] | None = None
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(
                method, path, json.dumps(body) if body is not None else None, headers
            )
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        try:
            return Answer(response.status, json.loads(text))
        except ValueError:
            return Answer(response.status, text)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # all of it has ended
            os.killpg(self.pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
