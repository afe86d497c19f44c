"""An answer holds a password, its hash or a key.

## What it finds

Everything that the running app answered to the probes' users is searched for what stands in the
database and in the settings: hashes of passwords, passwords, keys that the app was started with.
Hidden routes and what admins see are searched, too.

## Why it matters

A hash in an answer is a password in a few hours, for everybody who sees the answer, its cache or
its log; a key forges logins. Answer with a schema of its own (`response_model=UserPublic`) that
names what may be seen, instead of the row.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/
- https://fastapi.tiangolo.com/tutorial/response-model/
"""

from collections.abc import Iterator

from apiwright.checks.canaries import grouped, schema, secrets_in_answers
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import STORED
from apiwright.checks.world import World

BAD = (
    STORED.replace("class UserOut(BaseModel):\n", "class UserOut(BaseModel):\n    password: str\n"),
    STORED.replace(", response_model=UserOut)\ndef me", ")\ndef me"),
    STORED.replace("status_code=201, response_model=UserOut", "status_code=201").replace(
        "    session.commit()\n    return user", "    session.commit()\n    return data"
    ),
)
GOOD = STORED


@probe(severity="high", last=True)
def secret_in_response(world: World) -> Iterator[Finding]:
    for first, related in grouped(secrets_in_answers(world), schema):
        yield secret_in_response.finding(
            first.operation.route.at,
            f"The answer holds {first.what}: answer with a schema that leaves it out.",
            evidence=str(first.answer),
            curl=first.answer.request.curl,
            route=first.operation.route,
            related=related,
        )
