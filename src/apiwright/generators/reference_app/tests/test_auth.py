import pytest
from fastapi.testclient import TestClient

from tests.conftest import logged_in

AUTH = "/api/v1/auth"
REGISTER, LOGIN, REFRESH, ME = (f"{AUTH}/{path}" for path in ("register", "login", "refresh", "me"))
PASSWORD = "correct horse battery"


def register(client: TestClient, email: str) -> dict[str, str]:
    """The credentials of a new user."""
    user = {"email": email, "password": PASSWORD}
    assert client.post(REGISTER, json=user).status_code == 201
    return user


def test_register_then_log_in(client: TestClient) -> None:
    registered = client.post(REGISTER, json={"email": "Eve@Example.com", "password": PASSWORD})
    assert registered.status_code == 201
    assert registered.json().keys() == {"id", "email", "role", "created_at"}
    login = client.post(LOGIN, json={"email": "eve@example.com", "password": PASSWORD})
    assert login.status_code == 200
    assert (login.json()["token_type"], login.json()["expires_in"]) == ("bearer", 900)
    token = login.json()["access_token"]
    me = client.get(ME, headers={"Authorization": f"Bearer {token}"})
    assert me.json() == registered.json()


def test_the_oauth2_form_logs_in_too(client: TestClient) -> None:
    register(client, "form@example.com")
    form = {"username": "form@example.com", "password": PASSWORD}
    assert client.post(f"{AUTH}/token", data=form).json().keys() == {
        *("access_token", "refresh_token", "expires_in", "token_type")
    }


def test_an_address_is_registered_once(client: TestClient) -> None:
    user = register(client, "twice@example.com")
    again = client.post(REGISTER, json=user | {"email": "TWICE@example.com"})
    assert again.status_code == 409
    assert [error["field"] for error in again.json()["errors"]] == ["email"]


def test_a_role_cannot_be_chosen(client: TestClient) -> None:
    user = {"email": "admin@example.com", "password": PASSWORD, "role": "admin"}
    assert client.post(REGISTER, json=user).json()["role"] == "member"


def test_a_wrong_password_and_an_unknown_user_look_alike(client: TestClient) -> None:
    known = register(client, "known@example.com")
    wrong = client.post(LOGIN, json=known | {"password": "wrong"})
    unknown = client.post(LOGIN, json=known | {"email": "unknown@example.com"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_who_guesses_passwords_is_slowed(client: TestClient) -> None:
    user = register(client, "guessed@example.com")
    for _ in range(10):
        assert client.post(LOGIN, json=user | {"password": "wrong"}).status_code == 401
    refused = client.post(LOGIN, json=user | {"password": "wrong"})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize("password", ["short", "x" * 73, "é" * 37])
def test_passwords_bcrypt_cannot_take_are_refused(client: TestClient, password: str) -> None:
    answer = client.post(REGISTER, json={"email": "new@example.com", "password": password})
    assert answer.status_code == 422
    assert password not in answer.text


def test_two_users_are_two_people(ada: TestClient, bob: TestClient) -> None:
    assert ada.get(ME).json()["id"] != bob.get(ME).json()["id"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x.y.z", "Basic YWRhOmFkYQ=="])
def test_without_a_token_of_ours_one_is_nobody(client: TestClient, header: str) -> None:
    answer = client.get(ME, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_refresh_token_brings_the_next_ones_once(client: TestClient) -> None:
    first = client.post(LOGIN, json=register(client, "refresh@example.com")).json()
    second = client.post(REFRESH, json={"refresh_token": first["refresh_token"]}).json()
    assert first["refresh_token"] != second["refresh_token"]
    me = client.get(ME, headers={"Authorization": f"Bearer {second['access_token']}"})
    assert me.json()["email"] == "refresh@example.com"


def test_a_refresh_token_used_twice_ends_the_login(client: TestClient) -> None:
    first = client.post(LOGIN, json=register(client, "stolen@example.com")).json()
    second = client.post(REFRESH, json={"refresh_token": first["refresh_token"]}).json()
    for token in (first["refresh_token"], second["refresh_token"]):
        assert client.post(REFRESH, json={"refresh_token": token}).status_code == 401
    for login in (first, second):
        headers = {"Authorization": f"Bearer {login['access_token']}"}
        assert client.get(ME, headers=headers).status_code == 401


def test_one_kind_of_token_is_not_the_other(client: TestClient) -> None:
    login = client.post(LOGIN, json=register(client, "kinds@example.com")).json()
    headers = {"Authorization": f"Bearer {login['refresh_token']}"}
    assert client.get(ME, headers=headers).status_code == 401
    body = {"refresh_token": login["access_token"]}
    assert client.post(REFRESH, json=body).status_code == 401


def test_a_logout_ends_this_login_at_once(client: TestClient) -> None:
    user = register(client, "logout@example.com")
    here, there = logged_in(client, **user), logged_in(client, **user)
    assert here.post(f"{AUTH}/logout").status_code == 204
    assert here.get(ME).status_code == 401
    assert there.get(ME).status_code == 200


def test_logins_are_listed_and_ended_one_by_one_or_all(client: TestClient) -> None:
    user = register(client, "many@example.com")
    here, there = logged_in(client, **user), logged_in(client, **user)
    newest, _ = here.get(f"{AUTH}/logins").json()["items"]
    assert newest.keys() == {"id", "user_agent", "created_at", "updated_at"}
    assert here.delete(f"{AUTH}/logins/{newest['id']}").status_code == 204
    assert there.get(ME).status_code == 401
    assert here.delete(f"{AUTH}/logins").status_code == 204
    assert here.get(ME).status_code == 401


def test_another_users_login_is_not_found(ada: TestClient, bob: TestClient) -> None:
    (login,) = ada.get(f"{AUTH}/logins").json()["items"]
    assert bob.delete(f"{AUTH}/logins/{login['id']}").status_code == 404
    assert ada.get(ME).status_code == 200


def test_a_new_password_ends_the_other_logins(client: TestClient) -> None:
    user = register(client, "change@example.com")
    here, there = logged_in(client, **user), logged_in(client, **user)
    change = {"password": "wrong", "new_password": "another good one"}
    assert here.put(f"{AUTH}/password", json=change).status_code == 403
    change["password"] = PASSWORD
    assert here.put(f"{AUTH}/password", json=change).status_code == 204
    assert here.get(ME).status_code == 200
    assert there.get(ME).status_code == 401
    assert client.post(LOGIN, json=user).status_code == 401
    assert client.post(LOGIN, json=user | {"password": "another good one"}).status_code == 200


def test_a_deactivated_user_is_out_at_once_and_stays_out(client: TestClient) -> None:
    user = register(client, "leaving@example.com")
    here, there = logged_in(client, **user), logged_in(client, **user)
    assert here.post(f"{AUTH}/deactivate").status_code == 204
    assert here.get(ME).status_code == there.get(ME).status_code == 401
    assert client.post(LOGIN, json=user).status_code == 401
