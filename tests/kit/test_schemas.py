"""`unset` runs in docs/kit/schemas.md."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlmodel import Field, SQLModel

from apiwright.kit.pagination import Page
from apiwright.kit.schemas import Envelope, NotBlank, Text


class Cup(SQLModel):
    id: int = Field(primary_key=True)
    owner: str


class CupPublic(BaseModel):
    id: int


app = FastAPI()
ROW = Cup(id=1, owner="ada")


@app.get("/one", response_model=Envelope[CupPublic])
async def one() -> Envelope[Cup]:
    return Envelope(data=ROW)


@app.get("/page", response_model=Envelope[Page[CupPublic]])
async def page() -> Envelope[Page[Cup]]:
    return Envelope(data=Page(items=[ROW]), message="Here they are.")


client = TestClient(app)


def test_an_envelope_shows_of_a_row_what_its_schema_says() -> None:
    assert client.get("/one").json() == {"data": {"id": 1}, "message": "OK"}


def test_an_envelope_holds_a_page_too() -> None:
    sent = client.get("/page").json()
    assert sent["data"]["items"] == [{"id": 1}]
    assert sent["message"] == "Here they are."


def test_the_document_says_what_is_in_it() -> None:
    schema = app.openapi()["components"]["schemas"]["Envelope_CupPublic_"]
    assert schema["properties"]["data"] == {"$ref": "#/components/schemas/CupPublic"}
    assert schema["required"] == ["data"]


TEXTS = [("", False), (" \n\u2003", False), ("a", True), ("  a b ", True), ("a\nb", True)]


@pytest.mark.parametrize(("text", "is_filled"), TEXTS)
def test_not_blank_is_what_has_something_in_it(text: str, is_filled: bool) -> None:
    assert TypeAdapter(Text).validate_python(text) == text
    if is_filled:
        assert TypeAdapter(NotBlank).validate_python(text) == text.strip()
    else:
        with pytest.raises(ValidationError):
            TypeAdapter(NotBlank).validate_python(text)


@pytest.mark.parametrize("text", ["\0", "a\0", "\0 a", "a\n\0", "a\ud800"])
def test_what_cannot_be_stored_is_no_text(text: str) -> None:
    for kind in (Text, NotBlank):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(text)
