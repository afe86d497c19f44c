"""An answer tells another user's e-mail address or the like.

## What it finds

What two users of the running app registered with (e-mail address, telephone, date of birth and
the like) is searched in everything that the other one, and nobody in particular, was answered.
What admins see is not counted.

## Why it matters

A list of users is there to show names; with addresses in it, one request gives everybody's to
whoever has an account. Answer with a schema for other people's eyes, apart from the one for one's
own account.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/
- https://cwe.mitre.org/data/definitions/359.html
"""

from collections.abc import Iterator

from apiwright.checks.canaries import grouped, others_fields, schema
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import STORED
from apiwright.checks.world import World

_USERS = """
@app.get("/users")
def users(user: User = Depends(current_user), session: Session = Depends(session)):
    return [FIELDS for one in session.scalars(select(User).limit(100))]
"""
BAD = STORED + _USERS.replace("FIELDS", '{"id": one.id, "email": one.email}')
GOOD = STORED + _USERS.replace("FIELDS", '{"id": one.id}')


@probe(severity="medium", last=True)
def private_field_in_response(world: World) -> Iterator[Finding]:
    for first, related in grouped(others_fields(world), schema):
        yield private_field_in_response.finding(
            first.operation.route.at,
            f"It tells another user's {first.what}: answer with a schema for other people's eyes.",
            evidence=f"{first.answer.request.user}: {first.answer}",
            curl=first.answer.request.curl,
            route=first.operation.route,
            related=related,
        )
