"""A list or a search shows what another user made.

## What it finds

Two users are made in the running app. One creates an object by each POST; the other asks every
list and every search, with the first user's own words. It is a finding when the object is in the
answer, though another route keeps it to its owner.

What anonymous users see too, and what only admins write, is shared by design.

## Why it matters

Nobody even has to guess an id: one request shows everybody's. Searches are written later than the
list and forget its filter. Begin each statement with the owner's condition, in one function.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/
- https://cwe.mitre.org/data/definitions/639.html
"""

from collections.abc import Iterator

from apiwright.checks.access import shelves
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import NOTES
from apiwright.checks.world import World

BAD = (
    NOTES.replace('if one["owner"] == user and q', "if q"),
    NOTES.replace('if one["owner"] == user and q in', 'if one["owner"] == user or q and q in'),
)
GOOD = (
    NOTES,
    NOTES.replace(' if one["owner"] == user and q', " if q").replace(
        "    return the_note(note_id, user)\n", "    return notes[note_id]\n"
    ),
)


@probe(severity="high")
def cross_user_list(world: World) -> Iterator[Finding]:
    for shelf in shelves(world):
        for access in shelf.leaking_lists():
            operation = access.operation
            yield cross_user_list.finding(
                operation.route.at,
                f"It shows what another user {shelf.what}: begin the statement with the"
                " owner's condition.",
                evidence=f"A: {access.thing.answer}\nB: {access.other}",
                curl=access.other.request.curl,
                route=operation.route,
            )
