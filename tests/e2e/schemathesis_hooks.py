"""Whom schemathesis asks as, and what it reports and we mean; it loads this file itself, in the
folder where its test has put the logins."""

import json
from pathlib import Path
from typing import Any

import schemathesis

UNSAYABLE = (
    "This is not a cursor from this list in this order.",
    "A password may have 72 bytes; this one has more.",
    "value is not a valid email address: ",  # ada@shop.test: a reserved name
)
LOGINS = json.loads(Path("logins.json").read_text())


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # its own types
    """Some operations need another user. (`headers` of an operation in its configuration would
    stay on for the operations after it.)"""
    other = LOGINS.get(case.operation.definition.raw["operationId"])
    if other is not None and case.headers.get("Authorization") == LOGINS["ada"]:
        case.headers["Authorization"] = other


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Not what is refused for a reason that no schema can say."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 422:
        return True
    return not all(error["message"].startswith(UNSAYABLE) for error in response.json()["errors"])
