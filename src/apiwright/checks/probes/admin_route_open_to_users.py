"""An ordinary user does what only admins should.

## What it finds

With an ordinary user and an admin in the running app:

- routes whose path says that they are for admins, which answer the user as they answer the admin,
- routes that change or delete what only an admin may make,
- routes by which a user gives another one a role,
- a POST by which users make what they may not delete themselves and everybody sees, though an
  admin may: a catalogue with one door left open.

## Why it matters

One request makes a user an admin, or empties the catalogue. That somebody is logged in is not
that he may: ask for the role in a dependency of the whole router, so that a route added tomorrow
has it too.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa5-broken-function-level-authorization/
- https://cwe.mitre.org/data/definitions/862.html
"""

from collections.abc import Iterator

from apiwright.checks.access import shelves
from apiwright.checks.administration import open_catalogues, open_pages
from apiwright.checks.findings import Finding
from apiwright.checks.impersonation import impersonations
from apiwright.checks.probe import probe
from apiwright.checks.probes.cross_user_write import told
from apiwright.checks.samples import ACCOUNTS
from apiwright.checks.world import World

_ROUTE = """
@app.get("/admin/users")
def users(user: str = Depends(current_user)):
    CHECK
    return list(passwords)
"""
BAD = ACCOUNTS + _ROUTE.replace("CHECK", "")
GOOD = ACCOUNTS + _ROUTE.replace("CHECK", "raise HTTPException(403)")


@probe(severity="high")
def admin_route_open_to_users(world: World) -> Iterator[Finding]:
    check = admin_route_open_to_users
    for page in open_pages(world):
        yield check.finding(
            page.operation.route.at,
            "It is for admins by its path, and answers any user: ask for the role, in a dependency"
            " of the router.",
            evidence=f"an ordinary user: {page.answer}",
            curl=page.answer.request.curl,
            route=page.operation.route,
        )
    for shelf in shelves(world):
        for access in shelf.changed_by_others() if shelf.by_admin else ():
            yield check.finding(
                access.operation.route.at,
                f"A user changes what only admins make by {shelf.maker}: ask for the role here as"
                " well.",
                evidence=told(access),
                curl=access.other.request.curl,
                route=access.operation.route,
            )
    for catalogue in open_catalogues(world):
        yield check.finding(
            catalogue.operation.route.at,
            "A user makes what everybody sees and only admins delete: ask for the role here as"
            " well.",
            evidence="\n".join(f"{who}: {answer}" for who, answer in catalogue.seen),
            curl=catalogue.seen[0][1].request.curl,
            route=catalogue.operation.route,
        )
    for one in impersonations(world):
        if one.roles:
            yield check.finding(
                one.operation.route.at,
                "A user sets what another user may do: ask for the role of an admin.",
                evidence=f"{one.answer}\nstored: {one.changes[0]}",
                curl=one.answer.request.curl,
                route=one.operation.route,
            )
