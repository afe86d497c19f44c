"""A user reads what another user made.

## What it finds

Two users are made in the running app. One creates an object by each POST; the other asks for it by
its id, by every route that takes one, hidden routes included. It is a finding when the answer holds
what the first user wrote and the app itself says that it should not: no list shows it to others,
and another route keeps it to its owner or its row says whose it is.

What anonymous users read too, and what only admins write, is shared by design.

## Why it matters

An id in a path can be changed by anybody: whoever counts up reads everybody's invoices, messages
and files. Ask for the row by its id and its owner, in one place that every route goes through, and
answer 404.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/
- https://cwe.mitre.org/data/definitions/639.html
"""

from collections.abc import Iterator

from apiwright.checks.access import shelves
from apiwright.checks.app import shown
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import NOTES
from apiwright.checks.world import World

BAD = (
    NOTES.replace("    return the_note(note_id, user)\n", "    return notes.get(note_id)\n"),
    NOTES
    + """
@app.get("/print/{note_id}", include_in_schema=False)
def printed(note_id: int, user: str = Depends(current_user)):
    return notes[note_id]["text"]
""",
)
GOOD = (
    NOTES,
    NOTES.replace(' if one["owner"] == user and q', " if q").replace(
        "    return the_note(note_id, user)\n", "    return notes[note_id]\n"
    ),
)


@probe(severity="high")
def cross_user_read(world: World) -> Iterator[Finding]:
    for shelf in shelves(world):
        for access in shelf.leaks():
            operation = access.operation
            yield cross_user_read.finding(
                operation.route.at,
                f"Another user reads what a user {shelf.what}: look for the row by its id"
                " and its owner.",
                evidence="A: "
                + shown([access.thing.answer]).replace("\n", "\nA: ")
                + f"\nB: {access.other}",
                curl=access.other.request.curl,
                route=operation.route,
            )
