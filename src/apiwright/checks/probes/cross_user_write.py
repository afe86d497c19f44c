"""A user changes or deletes what another user made.

## What it finds

Two users are made in the running app. One creates an object by each POST; the other sends its id
to every route that changes something: in the path, below an object of his own, in a list of ids in
a body. What is stored and what the first user reads is compared before and after. It is a finding
when it has changed, also where the table has no column for an owner.

What anonymous users may change as well is missing-authentication's; what only admins make is
admin-route-open-to-users'. Likes, votes, comments and the like belong to who sends them.

## Why it matters

Whoever counts up ids overwrites and deletes everybody's work. Look for the row by its id and its
owner before it is changed; in bulk, put the owner's condition into the statement.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/
- https://cwe.mitre.org/data/definitions/639.html
"""

from collections.abc import Iterator

from apiwright.checks.access import Access, shelves
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import NOTES
from apiwright.checks.world import World

BAD = (
    NOTES.replace("    note = the_note(note_id, user)\n", "    note = notes[note_id]\n"),
    NOTES.replace("    the_note(note_id, user)\n    del", "    del"),
    NOTES
    + """
class Several(BaseModel):
    ids: list[int]

@app.post("/notes/delete-many")
def delete_many(data: Several, user: str = Depends(current_user)):
    return {"deleted": sum(notes.pop(one, None) is not None for one in data.ids)}
""",
)
GOOD = NOTES


@probe(severity="high")
def cross_user_write(world: World) -> Iterator[Finding]:
    for shelf in shelves(world):
        for access in shelf.changed_by_others():
            if not shelf.by_admin:
                operation = access.operation
                yield cross_user_write.finding(
                    operation.route.at,
                    f"Another user changes what a user {shelf.what}: look for the row by"
                    " its id and its owner before it is changed.",
                    evidence=told(access),
                    curl=access.other.request.curl,
                    route=operation.route,
                )


def told(access: Access) -> str:
    lines = [f"{access.thing.owner.name}: {access.thing.answer}"]
    if access.mine is not None:
        lines.append(f"{access.thing.owner.name} before: {access.mine}")
    lines.append(f"B: {access.other}")
    if access.after is not None:
        lines.append(f"{access.thing.owner.name} after: {access.after}")
    lines += [f"stored: {change}" for change in access.changes[:3]]
    return "\n".join(lines)
