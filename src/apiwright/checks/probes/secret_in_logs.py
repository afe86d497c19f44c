"""A password, its hash, a token or a key is written to the logs.

## What it finds

Every log record and every line on standard output and error that the running app writes while it
answers the probes is searched for the passwords that were sent, what is stored of them, the users'
tokens, and the keys that the app was started with.

## Why it matters

Logs are kept for years, copied to other companies, and read by people who may not see a password.
What was written there once is out: every password has to be changed. Log ids, not what was sent.

## References

- https://owasp.org/Top10/2021/A09_2021-Security_Logging_and_Monitoring_Failures/
- https://cwe.mitre.org/data/definitions/532.html
"""

from collections.abc import Iterator

from apiwright.checks.canaries import Seen, grouped, logged_secrets
from apiwright.checks.findings import Finding
from apiwright.checks.probe import probe
from apiwright.checks.samples import ACCOUNTS
from apiwright.checks.world import World

BAD = (
    ACCOUNTS.replace(
        "        raise HTTPException(401)\n    token =",
        """
        raise HTTPException(401)
    print(username, password)
    token =""",
    ),
    ACCOUNTS.replace(
        "    return tokens[token]\n",
        """
    import logging
    logging.getLogger("app").warning("token %s", token)
    return tokens[token]
""",
    ),
)
GOOD = ACCOUNTS.replace(
    "    return tokens[token]\n",
    """
    import logging
    logging.getLogger("app").warning("it is %s", tokens[token])
    return tokens[token]
""",
)


@probe(severity="high", last=True)
def secret_in_logs(world: World) -> Iterator[Finding]:
    for first, related in grouped(logged_secrets(world), _cause):
        yield secret_in_logs.finding(
            first.operation.route.at,
            f"{first.what} is logged: log who it is, not what was sent.",
            evidence=f"{first.answer.request}\nlogged: {first.text}",
            curl=first.answer.request.curl,
            route=first.operation.route,
            related=related,
        )


def _cause(seen: Seen) -> object:
    """The line without what changes in it, in front of every route."""
    return seen.what, "".join(one for one in seen.text if one.isalpha())[:12]
