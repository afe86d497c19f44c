import pytest
from httpx2 import AsyncClient


@pytest.mark.anyio
async def test_create_entry(client: AsyncClient, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    answer = await client.post("/api/v1/entries", json={"title": "one"}, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["data"]["mood"] == "good"


@pytest.mark.anyio
async def test_entries_need_a_login(client: AsyncClient) -> None:
    assert (await client.get("/api/v1/entries")).status_code == 401
