"""Uses the generated package `shop_client` as an application does: `python round_trip.py URL`."""

# mypy: disable-error-code="import-not-found"
# it is generated first, and then this is checked against it

import sys

from shop_client import AuthenticatedClient, Client
from shop_client.api.auth import log_in, me, register
from shop_client.api.tasks import create_task, get_task, list_tasks, update_task
from shop_client.models import (
    Credentials,
    LoginTokens,
    PageTaskPublic,
    ProblemDetails,
    TaskCreate,
    TaskPublic,
    TaskUpdate,
    UserCreate,
    UserPublic,
)

PASSWORD = "correct horse battery"


def signed_in(url: str, email: str) -> AuthenticatedClient:
    client = Client(base_url=url)
    user = register.sync(client=client, body=UserCreate(email=email, password=PASSWORD))
    assert isinstance(user, UserPublic), user
    tokens = log_in.sync(client=client, body=Credentials(email=email, password=PASSWORD))
    assert isinstance(tokens, LoginTokens), tokens
    return AuthenticatedClient(base_url=url, token=tokens.access_token)


def main(url: str) -> None:
    ada, bob = (signed_in(url, f"{name}@example.com") for name in ("ada", "bob"))
    made = create_task.sync(client=ada, body=TaskCreate(title="Buy milk"))
    assert isinstance(made, TaskPublic), made
    assert made.description is None
    changed = update_task.sync(made.id, client=ada, body=TaskUpdate(done=True))
    assert isinstance(changed, TaskPublic), changed
    assert (changed.done, changed.title) == (True, "Buy milk")
    page = list_tasks.sync(client=ada, done=True)
    assert isinstance(page, PageTaskPublic), page
    assert [task.id for task in page.items] == [made.id]
    assert page.next_cursor is None

    hidden = get_task.sync(made.id, client=bob)
    assert isinstance(hidden, ProblemDetails), hidden
    assert hidden.status == 404
    refused = create_task.sync(client=bob, body=TaskCreate(title=" "))
    assert isinstance(refused, ProblemDetails), refused
    assert isinstance(refused.errors, list), refused
    assert refused.errors[0].field == "body.title"
    nobody = me.sync(client=AuthenticatedClient(base_url=url, token="forged"))
    assert isinstance(nobody, ProblemDetails), nobody
    assert nobody.status == 401


if __name__ == "__main__":
    main(sys.argv[1])
