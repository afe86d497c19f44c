"""What every request of a backend passes, in the order that it needs: one line in main.py.

Each part also installs alone, in any FastAPI app.
"""

from fastapi import FastAPI

from apiwright.kit import (
    conditional,
    database,
    docs,
    idempotency,
    limits,
    logins,
    logs,
    permissions,
    problems,
    safety,
)
from apiwright.kit.settings import Settings


def install(app: FastAPI, settings: Settings) -> None:
    """Install the kit's parts. What is installed later meets a request earlier: the log first,
    then hosts and headers, errors, limits, and last the transaction that the route works in.

    Raises ApiwrightError for settings that cannot be followed.
    """
    app.state.settings = settings
    logins.install(app, settings)
    permissions.install(app)
    docs.install(app, settings.docs_password)
    conditional.install(app)
    idempotency.install(app)
    database.install(app)
    limits.install(app, settings)
    problems.install(app)
    safety.install(app, settings)
    logs.install(app, settings)
