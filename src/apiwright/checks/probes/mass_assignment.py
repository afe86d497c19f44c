"""A client sets what is not his to set: a role, or whose something is.

## What it finds

Requests that create or change something, with more in them than a form would show: the columns of
a user's row that say what he may do (`role`, `is_admin`, …), and the column that says whose a row
is, with another user's id. It is a finding when the value is stored.

Fields that the document does not mention are sent as well, for schemas that let them pass.

## Why it matters

One more field at registration makes an admin; one in an update puts something into another user's
account. Take the role and the owner from the server, and give requests schemas of their own, with
nothing in them that a client may not say.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/
- https://cwe.mitre.org/data/definitions/915.html
"""

from collections.abc import Iterator

from apiwright.checks.assignment import assigned
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import STORED
from apiwright.checks.world import World

BAD = (
    STORED.replace(
        "class Account(BaseModel):\n", 'class Account(BaseModel):\n    role: str = "user"\n'
    ).replace('role="user"', "role=data.role"),
    STORED.replace(
        "class NoteIn(BaseModel):\n", "class NoteIn(BaseModel):\n    owner_id: int = 0\n"
    ).replace("owner_id=user.id", "owner_id=data.owner_id or user.id"),
)
GOOD = STORED


@probe(severity="high")
def mass_assignment(world: World) -> Iterator[Finding]:
    for one in assigned(world):
        what = "whose it is" if one.owner else "what a user may do"
        yield mass_assignment.finding(
            one.operation.route.at,
            f"The client says {what}: `{one.column}` is stored as it was sent. Take it from the"
            " server, and leave it out of the schema.",
            evidence=f"{one.answer}\nsent and stored: {one.column} = {one.value!r}",
            curl=one.answer.request.curl,
            route=one.operation.route,
        )
