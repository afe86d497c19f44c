import pytest
from fastapi.testclient import TestClient

REGISTER, LOGIN, ME = "/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/me"
PASSWORD = "correct horse battery"


def test_register_then_log_in(client: TestClient) -> None:
    registered = client.post(REGISTER, json={"email": "Eve@Example.com", "password": PASSWORD})
    assert registered.status_code == 201
    assert registered.json().keys() == {"id", "email", "created_at"}
    login = client.post(LOGIN, data={"username": "eve@example.com", "password": PASSWORD})
    assert login.status_code == 200
    assert (login.json()["token_type"], login.json()["expires_in"]) == ("bearer", 900)
    token = login.json()["access_token"]
    me = client.get(ME, headers={"Authorization": f"Bearer {token}"})
    assert me.json() == registered.json()


def test_an_address_is_registered_once(client: TestClient) -> None:
    user = {"email": "twice@example.com", "password": PASSWORD}
    assert client.post(REGISTER, json=user).status_code == 201
    again = client.post(REGISTER, json=user | {"email": "TWICE@example.com"})
    assert again.status_code == 409


def test_a_wrong_password_and_an_unknown_user_look_alike(client: TestClient) -> None:
    client.post(REGISTER, json={"email": "known@example.com", "password": PASSWORD})
    wrong = client.post(LOGIN, data={"username": "known@example.com", "password": "wrong"})
    unknown = client.post(LOGIN, data={"username": "unknown@example.com", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


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
