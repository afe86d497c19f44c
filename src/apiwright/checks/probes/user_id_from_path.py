"""A route believes the user id that is sent, whoever sends it.

## What it finds

Routes with a user's id in the path or the query, asked by one user with another's id: what the
other made, or the other's account, is in the answer, or what is stored of the other has changed.

Profiles that anonymous users read too are public by design; what an answer tells of another's
account alone is private-field-in-response's.

## Why it matters

The token says who is asking; the path only says what is asked for. Whoever changes the number in
`/users/17/orders` is somebody else. Compare both before anything is read, in one dependency, or
leave the id out and serve `/users/me/orders`.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/
- https://cwe.mitre.org/data/definitions/639.html
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.impersonation import impersonations
from apiwright.checks.probe import probe
from apiwright.checks.samples import NOTES
from apiwright.checks.world import World

_ROUTE = """
@app.get("/users/{user_id}/notes")
def notes_of(user_id: str, user: str = Depends(current_user)):
    CHECK
    return [one for one in notes.values() if one["owner"] == user_id]
"""
BAD = NOTES + _ROUTE.replace("CHECK", "")
GOOD = NOTES + _ROUTE.replace("CHECK", "if user_id != user: raise HTTPException(404)")


@probe(severity="high")
def user_id_from_path(world: World) -> Iterator[Finding]:
    for one in impersonations(world):
        if one.roles:  # admin-route-open-to-users
            continue
        operation = one.operation
        yield user_id_from_path.finding(
            operation.route.at,
            f"With another user's {one.name} a user {one.does}: compare it with who is asking.",
            evidence="\n".join(
                [f"A with the id of B: {one.answer}", *(f"stored: {each}" for each in one.changes)]
            ),
            curl=one.answer.request.curl,
            route=operation.route,
        )
