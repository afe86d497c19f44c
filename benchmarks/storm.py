"""A storm of logins, beside other load."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import data
from benchmarks.server import Server

PATH = "/api/v1/auth/login"
PER_SECOND = 4


@dataclass
class Logins:
    begun: int = 0
    failed: int = 0


@contextmanager
def logging_in(server: Server) -> Iterator[Logins]:
    """One login after the other begins, whether or not those before have been answered, until the
    block ends; then they are waited for."""
    logins, over = Logins(), threading.Event()
    under_way: list[threading.Thread] = []

    def log_in(user: int) -> None:
        credentials = {"email": data.email_of(user), "password": data.PASSWORD}
        try:
            status = server.call("POST", PATH, None, credentials).status
        except (OSError, http.client.HTTPException):
            status = 0
        if status != 200:
            logins.failed += 1

    def begin() -> None:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            logins.begun += 1
            login = threading.Thread(target=log_in, args=(logins.begun % data.OWNERS + 1,))
            login.start()
            under_way.append(login)
            due += 1 / PER_SECOND

    beginning = threading.Thread(target=begin)
    beginning.start()
    try:
        yield logins
    finally:
        over.set()
        beginning.join()
        for login in under_way:
            login.join()
