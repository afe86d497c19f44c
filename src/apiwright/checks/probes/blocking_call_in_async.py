"""The event loop stood still while a request was answered.

## What it finds

While probes talk to the app, a clock ticks on its event loop. Where a tick comes 50 ms late or
more, and twice at the same line of the project, that line is a call which waits without giving the
loop back. For each route the hashing of a password, a file, a `sleep`, a heavy computation is seen
this way, at any depth and in whatever library. Time in which the machine was busy with other
programs does not count, nor do routes that are plain `def`: they run in a thread.

## Why it matters

One event loop serves all requests of a process. While it waits for this call, no other request gets
on: a password hash of 250 ms means four requests a second, whatever else the machine could do. Use
`def`, `await run_in_threadpool(…)` or an asynchronous library.

## References

- https://fastapi.tiangolo.com/async/
- https://docs.python.org/3/library/asyncio-dev.html#running-blocking-code
"""

from collections.abc import Iterator

from apiwright.checks.app import Answer, Stall
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.reach import reach
from apiwright.checks.telling import one_finding, operation_of
from apiwright.checks.world import World
from apiwright.project.facts import Place

_SECONDS = 0.05
_TIMES = 2

_APP = """
import asyncio
import hashlib

from fastapi import FastAPI

app = FastAPI()

def digest(text: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"salt", 1_500_000).hex()

"""
BAD = (
    _APP
    + """
@app.get("/digest")
async def get_digest(text: str = "text") -> str:
    return digest(text)
"""
)
GOOD = (
    _APP
    + """
@app.get("/digest")
async def get_digest(text: str = "text") -> str:
    await asyncio.sleep(0.1)
    return await asyncio.to_thread(digest, text)

@app.get("/plain")
def get_plain(text: str = "text") -> str:
    return digest(text)
"""
)


@probe(severity="medium", last=True)
def blocking_call_in_async(world: World) -> Iterator[Finding]:
    if not reach(world):  # nobody has asked them yet
        for operation in world.operations:
            if operation.method == "GET":
                world.app.send(operation.request(world.a))
    for answer in list(world.app.heard):
        if _stall(answer) and answer.request.method == "GET":
            world.app.send(answer.request)
    found: dict[tuple[str, int], dict[Stall, Answer]] = {}
    for answer in world.app.heard:
        if stall := _stall(answer):  # one that several share, who were sent together, is one
            file, line, _ = stall.frames[0]
            found.setdefault((file, line), {}).setdefault(stall, answer)
    for (file, line), seen in found.items():
        if len(seen) >= _TIMES:
            yield from _told(world, Place(file, line), seen)


def _stall(answer: Answer) -> Stall | None:
    """The longest, with a line of the project's to blame."""
    for stall in answer.stalls:
        if stall.seconds >= _SECONDS and stall.frames:
            return stall
    return None


def _told(world: World, place: Place, seen: dict[Stall, Answer]) -> Iterator[Finding]:
    longest = max(seen, key=lambda stall: stall.seconds)
    firsts = {operation_of(world, one): one for one in reversed(seen.values())}
    yield from one_finding(
        blocking_call_in_async,
        world,
        list(firsts.values()),
        f"The event loop stood still for {longest.seconds * 1000:.0f} ms in {longest.frames[0][2]},"
        " and with it every other request. Run this in a thread, or use an asynchronous call.",
        at=place,
        before=[
            f"{answer.request}: {stall.seconds * 1000:.0f} ms at {place} in {stall.inmost}"
            for stall, answer in list(seen.items())[:_TIMES]
        ],
    )
