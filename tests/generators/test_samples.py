"""The values that generated tests send, held against the schema that is generated beside them."""

import itertools
import re
import secrets
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, ValidationError

from apiwright.generators import resource_code, samples
from apiwright.generators.fields import FieldSpec, Resource, field

FIELDS = [
    *("title:str", "title:str:max=1", "title:str:min=0:max=3", "title:str:min=7:max=7"),
    *("title:str:min=300", "title:str:max=20:unique", "title:str:max=4:unique"),
    *("title:str:min=20:unique", "title:str:pattern=^[A-Z]{3}-\\d{2,4}$", "note:text"),
    *("title:str:pattern=^(INV|CRN)_[^a]+x?.$", "note:text:min=2:max=4:optional"),
    *(
        "n:int",
        "n:int:gt=0:lt=2",
        "n:int:ge=5",
        "n:int:le=-5",
        "n:int:le=-7:unique",
        "n:int:gt=3:unique",
    ),
    *("n:int:unique", "n:float", "n:float:gt=0:lt=2", "n:float:ge=-1.5", "n:decimal"),
    *("n:decimal:digits=10.2:ge=0", "n:decimal:digits=3.0", "n:decimal:digits=4.4:lt=0.5"),
    *(
        "n:decimal:gt=1:le=1.05",
        "n:decimal:unique:ge=0.5",
        "ok:bool",
        "day:date",
        "day:date:unique",
    ),
    *(
        "at:datetime",
        "at:datetime:unique",
        "clock:time",
        "slot:uuid",
        "slot:uuid:unique",
        "mail:email",
    ),
    *("mail:email:unique", "link:url", "link:url:unique", "data:json", "data:json:optional"),
    *("labels:list:str", "labels:list:int:min=2:max=3", "labels:list:uuid:max=1"),
    *("labels:list:date", "labels:list:float:min=1", "labels:list:bool", "project:ref:Project"),
]


def schema(spec: FieldSpec) -> type[BaseModel]:
    """NoteCreate, as it is written for this one field."""
    code = resource_code.module(resource_code.schemas(Resource("Note", (spec,))), {})
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # ours
    created: type[BaseModel] = names["NoteCreate"]
    return created


def value_of(code: str) -> Any:
    names = {
        "secrets": secrets,
        "numbers": itertools.count(1),
        "date": date,
        "timedelta": timedelta,
        "uuid4": uuid4,
    }
    return eval(code, names)  # noqa: S307  # ours


@pytest.mark.parametrize("said", FIELDS)
def test_what_fits_is_taken_and_what_does_not_is_refused(said: str) -> None:
    spec = field(said)
    create = schema(spec)
    if spec.type != "ref":
        for code in (samples.sample(spec), samples.sample(spec, other=True), samples.fresh(spec)):
            create.model_validate({spec.column: value_of(code)})
    for code in samples.edges(spec):
        create.model_validate({spec.column: value_of(code)})
    for code in samples.misfits(spec):
        with pytest.raises(ValidationError):
            create.model_validate({spec.column: value_of(code)})


@pytest.mark.parametrize("said", ["n:int:gt=0:lt=10", "n:decimal:ge=1:lt=2", "t:str:min=2:max=4"])
def test_each_boundary_is_met_from_both_sides(said: str) -> None:
    spec = field(said)
    assert len(samples.edges(spec)) == 2
    assert len(samples.misfits(spec)) >= 4  # and another type, and null


@pytest.mark.parametrize(
    "pattern", ["^a|b$", r"\d+", "[^x]y", "(ab){2}", "^[^@]+@x$", r"^\w{3}\s?$"]
)
def test_usual_patterns_are_matched(pattern: str) -> None:
    for other in (False, True):
        assert re.search(pattern, samples.matching(pattern, other))
