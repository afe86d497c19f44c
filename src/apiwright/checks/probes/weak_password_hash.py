"""A password is stored as a hash that is tried out in no time.

## What it finds

What the database holds of a password that is known: a hash of MD5 or SHA, bcrypt or PBKDF2 with too
few rounds.

## Why it matters

A graphics card tries ten thousand million MD5 hashes in a second: whoever sees the database has
most passwords by the evening. bcrypt (cost 12) and Argon2 are slow on purpose.

## References

- https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
- https://cwe.mitre.org/data/definitions/916.html
"""

from collections.abc import Iterator

from apiwright.checks.findings import Finding
from apiwright.checks.kept import evidence, kept
from apiwright.checks.probe import probe
from apiwright.checks.samples import STORED
from apiwright.checks.world import World

_QUICK = STORED.replace("not fits(password, user.password)", "hashed(password) != user.password")
BAD = (
    _QUICK.replace(
        "bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()",
        '__import__("hashlib").md5(password.encode()).hexdigest()',
    ),
    STORED.replace("gensalt(10)", "gensalt(4)"),
)
GOOD = STORED


@probe(severity="high", last=True)
def weak_password_hash(world: World) -> Iterator[Finding]:
    for one in kept(world):
        if not one.plain:
            yield weak_password_hash.finding(
                one.operation.route.at if one.operation else None,
                f"A password is stored {one.how}: store what bcrypt (cost 12) or Argon2 makes of"
                " it.",
                evidence="\n".join(evidence(one)),
                curl=one.answer.request.curl if one.answer else None,
                route=one.operation.route if one.operation else None,
            )
