"""An answer repeats what an exception or the database said.

## What it finds

Answers to the probes' requests, with their many mistakes, that hold a traceback, the class and
text of an exception, SQL, the words of a database, or paths of the server. What is answered when a
table is not there is looked at, too.

## Why it matters

Names of tables, columns and constraints, statements with their parameters, versions and paths tell
an attacker where to go on, and parameters may be other people's data. Log the exception, and
answer in words of your own.

## References

- https://owasp.org/API-Security/editions/2023/en/0xa8-security-misconfiguration/
- https://cwe.mitre.org/data/definitions/209.html
"""

from collections.abc import Iterator

from apiwright.checks.canaries import Seen, grouped, raw_errors
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import STORED
from apiwright.checks.world import World

_TAGS = """
@app.exception_handler(Exception)
def unexpected(request, error):
    from fastapi.responses import JSONResponse
    return JSONResponse({"detail": WORDS}, status_code=500)
"""
BAD = (
    STORED + _TAGS.replace("WORDS", "str(error)"),
    STORED.replace(
        "    session.add(user)\n    session.commit()\n",
        """
    session.add(user)
    try:
        session.commit()
    except Exception as error:
        raise HTTPException(409, f"not possible: {error}")
""",
    ),
)
GOOD = STORED + _TAGS.replace("WORDS", '"something went wrong"')


@probe(severity="medium", last=True)
def raw_error_to_client(world: World) -> Iterator[Finding]:
    for first, related in grouped(raw_errors(world), _cause):
        yield raw_error_to_client.finding(
            first.operation.route.at,
            f"The answer holds {first.what}: log it, and answer in words of your own.",
            evidence=str(first.answer),
            curl=first.answer.request.curl,
            route=first.operation.route,
            related=related,
        )


def _cause(seen: Seen) -> object:
    """What is answered with 500 alike comes from one place, a handler of exceptions."""
    said = seen.answer.json
    keys = tuple(said) if isinstance(said, dict) else ()
    return keys if seen.answer.status == 500 else seen.operation
