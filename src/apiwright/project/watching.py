"""What happens while an app answers: how long its event loop stands still, what is logged and
printed; executed by the project's own interpreter, as server.py."""

# ruff: noqa: PTH119, PTH123

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import sys
import threading
import time
import traceback
from typing import Any

_TICK = 0.005
_LATE = 0.025  # when it is looked where the loop stands
_MOST_LOGS = 200
_LONGEST_TEXT = 20_000


# the event loop


class Ticker:
    """How long the event loop stood still, and in which lines of the project."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.loop_thread = threading.get_ident()
        self.beat = time.perf_counter()
        self.waited = 0.0
        self._waits: int | None = None
        with contextlib.suppress(OSError):  # Linux; of this thread
            self._waits = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self.stalls: list[dict[str, Any]] = []
        self.longest = 0.0
        self.seen: dict[str, Any] | None = None
        threading.Thread(target=self.watch, daemon=True).start()

    def start(self) -> None:
        self.stalls, self.longest, self.seen = [], 0.0, None
        self.beat, self.waited = time.perf_counter(), self.wait()

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.stop()

    def stop(self) -> None:
        """Also at the end of a request, which may come before the next tick."""
        now, waited = time.perf_counter(), self.wait()
        late = now - self.beat - _TICK - (waited - self.waited)
        self.longest = max(self.longest, late)
        if self.seen is not None and late > _LATE:
            self.stalls.append({"seconds": late, **self.seen})
        self.beat, self.waited, self.seen = now, waited, None

    def wait(self) -> float:
        """For how long the machine had no processor for the loop: not the app's doing."""
        if self._waits is None:
            return 0.0
        return int(os.pread(self._waits, 100, 0).split()[1]) / 1e9

    def watch(self) -> None:
        while True:
            time.sleep(_TICK)
            if self.seen is None and time.perf_counter() - self.beat > _LATE:
                self.seen = self.look()

    def look(self) -> dict[str, Any]:
        frame = sys._current_frames().get(self.loop_thread)
        stack = traceback.extract_stack(frame)
        return {
            "frames": [
                [os.path.relpath(one.filename, self.root), one.lineno, one.name]
                for one in reversed(stack)
                if one.filename.startswith(self.root + os.sep)
            ],
            "inmost": f"{os.path.basename(stack[-1].filename)}:{stack[-1].lineno} {stack[-1].name}"
            if stack
            else "",
        }


# what the app says besides


class Records:
    """Log records of every logger, those that do not propagate included."""

    def __init__(self) -> None:
        self.found: list[dict[str, str]] = []
        original = logging.Logger.callHandlers

        @functools.wraps(original)
        def call(logger: logging.Logger, record: logging.LogRecord) -> None:
            if len(self.found) < _MOST_LOGS:
                with contextlib.suppress(Exception):
                    self.found.append(self.told(record))
            original(logger, record)

        logging.Logger.callHandlers = call  # type: ignore[method-assign, assignment]

    def told(self, record: logging.LogRecord) -> dict[str, str]:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(*record.exc_info))
        return {"logger": record.name, "level": record.levelname, "text": text[:_LONGEST_TEXT]}


class Words:
    """What is written to standard output and error, which are one file."""

    def __init__(self, path: str) -> None:
        self.path, self.place = path, 0

    def new(self) -> str:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        with open(self.path, "rb") as file:
            file.seek(self.place)
            found = file.read(_LONGEST_TEXT)
            self.place = file.seek(0, os.SEEK_END)
        return found.decode(errors="replace")
