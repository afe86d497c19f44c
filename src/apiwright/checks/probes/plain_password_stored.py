"""A password is stored so that it can be read.

## What it finds

The password of a user who registered, and another that a user changed to, are searched in every
row of the database: as they are, backwards, in base64, in hexadecimal.

## Why it matters

Whoever sees the database, or a backup of it, has everybody's password, here and wherever else it
is used. Store what bcrypt or Argon2 makes of it.

## References

- https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
- https://cwe.mitre.org/data/definitions/256.html
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.kept import evidence, kept
from apiwright.checks.probe import probe
from apiwright.checks.samples import STORED
from apiwright.checks.world import World

BAD = STORED.replace("password=hashed(data.password)", "password=data.password").replace(
    "not fits(password, user.password)", "password != user.password"
)
GOOD = STORED


@probe(severity="high", last=True)
def plain_password_stored(world: World) -> Iterator[Finding]:
    for one in kept(world):
        if one.plain:
            yield plain_password_stored.finding(
                one.operation.route.at if one.operation else None,
                f"A password is stored {one.how}: store what bcrypt or Argon2 makes of it.",
                evidence="\n".join(evidence(one)),
                curl=one.answer.request.curl if one.answer else None,
                route=one.operation.route if one.operation else None,
            )
