"""A real Redis, for the tests that need one."""

import socket
import subprocess
import time
from pathlib import Path

from redis import Redis


class RedisServer:
    """It can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        listen = ["--bind", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            ["redis-server", *listen, "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert time.monotonic() < until, "Redis did not start"
                time.sleep(0.01)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def keys(self) -> list[str]:
        with Redis(port=self.port, decode_responses=True) as client:
            return sorted(client.keys("*"))

    def clients(self) -> int:
        with Redis(port=self.port) as client:
            return len(client.client_list()) - 1
