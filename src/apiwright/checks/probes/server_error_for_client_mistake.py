"""A client's mistake is answered with 500.

## What it finds

Requests with the mistakes that clients make, to every route: null for what is required, the same
twice, ids of nothing, numbers past 64 bits, negative and huge pages, NUL bytes, half a character,
bodies that are no JSON or very deep, tokens that are none, a token whose user is gone; and the
deletion of what other rows refer to. It is a finding when the answer is 500, once for each line of
the project that failed.

Errors of the app's surroundings, such as a service that is not there, are not counted; nor are
FastAPI's own, whose answer of 422 repeats the input also when JSON cannot say it.

## Why it matters

Status 500 says that the app is broken: it wakes somebody up, clients try again, and nobody tells
the user what to correct. Often the transaction was half done. Refuse the value where it comes in
(422), and answer what the database refuses with 404 or 409.

## References

- https://datatracker.ietf.org/doc/html/rfc9110#section-15.5
- https://fastapi.tiangolo.com/tutorial/handling-errors/
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.mistakes import Hit, mistakes
from apiwright.checks.probe import probe
from apiwright.checks.rule import where
from apiwright.checks.samples import NOTES
from apiwright.checks.world import World
from apiwright.project.facts import Place

BAD = (
    NOTES.replace("    note = notes.get(note_id)\n", "    note = notes[note_id]\n"),
    NOTES
    + """
@app.get("/page")
def page(size: int, user: str = Depends(current_user)):
    return {"pages": -(-len(notes) // size)}
""",
    NOTES
    + """
from fastapi import Request

@app.post("/import")
async def import_notes(request: Request, user: str = Depends(current_user)):
    return {"count": len(await request.json())}
""",
)
GOOD = (
    NOTES,
    NOTES
    + """
@app.get("/weather")
def weather(user: str = Depends(current_user)):
    raise ConnectionError("the service does not answer")
""",
)
_SHOWN = 200


@probe(severity="medium", last=True)
def server_error_for_client_mistake(world: World) -> Iterator[Finding]:
    causes: dict[object, list[Hit]] = {}
    for hit in mistakes(world):
        causes.setdefault(hit.cause, []).append(hit)
    for hits in causes.values():
        first = hits[0]
        route = first.operation.route
        at = Place(first.file, first.line) if first.file and first.line else route.at
        others = {one.operation: None for one in hits if one.operation is not first.operation}
        mistake = next((one.mistake for one in hits if one.mistake), "an ordinary request")
        error = " ".join(f"{first.type}: {first.message}".split())[:_SHOWN]
        yield server_error_for_client_mistake.finding(
            at,
            f"{mistake[:1].upper()}{mistake[1:]} is answered with 500: refuse it where it comes in"
            " (422), or answer 404 or 409.",
            evidence=f"{first.answer}" + (f"\n{error}" if first.type else ""),
            curl=first.answer.request.curl,
            route=route,
            related=[where(one.route.at, one.route) for one in others],
        )
