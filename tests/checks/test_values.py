"""Values made from JSON schemas: pydantic takes them."""

import datetime
import decimal
import enum
import re
import uuid
from typing import Annotated, Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, EmailStr, Field, TypeAdapter

from apiwright.checks.values import PASSWORD, Values


class Color(enum.Enum):
    red = "red"
    blue = "blue"


class Address(BaseModel):
    street: str = Field(min_length=3)
    zip: str = Field(pattern=r"^\d{5}$")


class Person(BaseModel):
    email: EmailStr
    password: str = Field(min_length=8)
    age: int = Field(ge=18, lt=100)
    score: float = Field(gt=10, multiple_of=0.5)
    price: decimal.Decimal = Field(max_digits=6, decimal_places=2)
    born: datetime.date
    at: datetime.datetime
    id: uuid.UUID
    color: Color
    kind: Literal["new", "old"]
    site: AnyUrl
    address: Address
    others: list[Address] = Field(min_length=2)
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-(foo|bar)\w?[^a]$")]
    short: str = Field(max_length=4)
    nothing: int | None = None
    left_out: str = "x"


def made(**options: Any) -> Any:
    schema = Person.model_json_schema(ref_template="#/$defs/{model}")
    return Values(schema).of(schema, **options)


def test_a_body_of_every_kind_is_taken() -> None:
    person = Person.model_validate(made())
    assert person.password == PASSWORD
    assert person.left_out == "x"


def test_a_whole_body_has_what_may_be_left_out() -> None:
    body = made(whole=True)
    assert {"nothing", "left_out"} <= set(body)
    Person.model_validate(body)


def test_texts_are_never_the_same() -> None:
    values = Values({})
    schema = {"type": "string", "format": "email"}
    assert len({values.of(schema) for _ in range(20)}) == 20


def test_known_values_are_taken_at_any_depth() -> None:
    body = made(known={"street": "Known Street", "email": "known@example.com"})
    assert body["email"] == "known@example.com"
    assert body["address"]["street"] == body["others"][1]["street"] == "Known Street"


@pytest.mark.parametrize(
    "pattern",
    [r"^[a-z0-9-]+$", r"^\+?[1-9]\d{1,14}$", r"^#[0-9a-fA-F]{6}$", r"^(a|b){3}x?$", r"^[^\s@]+@x$"],
)
def test_a_text_fits_its_pattern(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    assert re.search(pattern, Values({}).of(schema, name="field"))


def test_an_endless_schema_ends() -> None:
    class Node(BaseModel):
        children: list["Node"] = Field(default_factory=list)
        parent: "Node | None" = None

    schema = Node.model_json_schema()
    values = Values(schema)
    TypeAdapter(Node).validate_python(values.of(schema, whole=True))
