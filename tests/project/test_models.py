"""Tables in the less usual forms."""

# ruff: noqa: E501  # other people's code, in one line each

from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined as Undefined
from sqlmodel import SQLModel

from apiwright.kit import agents, idempotency, knowledge, tables
from apiwright.project.facts import Model
from apiwright.project.load import load
from apiwright.project.models import KNOWN_COLUMNS
from tests.project.projects import write


def offered_by_the_kit() -> set[type[SQLModel]]:
    """What a project's tables inherit from."""
    assert all((agents, idempotency, knowledge))  # imported, so that their classes are there
    found: set[type[SQLModel]] = set()
    left: list[type[SQLModel]] = [tables.Audience]
    while left:
        one = left.pop()
        if one.__module__.startswith("apiwright.kit."):
            found.add(one)
            left += one.__subclasses__()
    return found


APP = "from fastapi import FastAPI\napp = FastAPI()\n"


def models(folder: Path, text: str) -> dict[str, Model]:
    write(folder, {"main.py": APP, "models.py": text})
    return {model.name: model for model in load(folder).models}


def test_optional_in_every_spelling_is_nullable(tmp_path: Path) -> None:
    text = """from typing import Optional, Union
from sqlmodel import Field, SQLModel
class A(SQLModel, table=True):
    id: Optional[int] = Field(default=None, primary_key=True)
    a: Optional[str] = None
    b: str | None
    c: Union[str, None] = None
    d: "str | None" = None
    e: str
    f: str | None = Field(nullable=False)
"""
    columns = models(tmp_path, text)["A"].columns
    assert [column.name for column in columns if column.nullable] == ["a", "b", "c", "d"]


def test_a_column_of_sqlalchemy_inside_a_field(tmp_path: Path) -> None:
    text = """from sqlalchemy import Column, ForeignKey, Integer, String, func
from sqlmodel import Field, SQLModel
class A(SQLModel, table=True):
    id: int = Field(primary_key=True)
    name: str = Field(sa_column=Column("full_name", String(20), unique=True, nullable=False))
    other: int = Field(sa_column=Column(Integer, ForeignKey("b.id")))
    made: str = Field(sa_column_kwargs={"server_default": func.now(), "index": True})
"""
    _, name, other, made = models(tmp_path, text)["A"].columns
    assert (name.name, name.attribute, name.unique, name.nullable) == (
        "full_name",
        "name",
        True,
        False,
    )
    assert other.foreign_key == "b.id"
    assert (made.default, made.index) == ("the database's", True)


@pytest.mark.parametrize(
    "base",
    [
        "from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): pass\n",
        "from sqlalchemy.orm import declarative_base\nBase = declarative_base()\n",
        "from sqlalchemy.ext.declarative import declarative_base\nBase = declarative_base()\n",
        "from sqlalchemy.orm import DeclarativeBase, MappedAsDataclass\nclass Base(MappedAsDataclass, DeclarativeBase): pass\n",
        "from sqlalchemy.ext.declarative import as_declarative\n@as_declarative()\nclass Base: pass\n",
    ],
)  # fmt: skip
def test_every_declarative_base_is_known(tmp_path: Path, base: str) -> None:
    text = (
        base
        + """from sqlalchemy import Column, Integer
class A(Base):
    __tablename__ = "as"
    id = Column(Integer, primary_key=True)
class Abstract(Base):
    __abstract__ = True
class NoTable: pass
"""
    )
    found = models(tmp_path, text)
    assert [(model.name, model.table, model.primary_key) for model in found.values()] == [
        ("A", "as", ("id",))
    ]


def test_mapped_without_a_call_and_with_another_column_name(tmp_path: Path) -> None:
    text = """from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase): pass
class A(Base):
    __tablename__ = "a"
    id: Mapped[int] = mapped_column("a_id", primary_key=True)
    note: Mapped["str | None"]
    kind: Mapped[str] = mapped_column(default="x", index=True)
"""
    a = models(tmp_path, text)["A"]
    assert a.style == "mapped"
    assert [(c.name, c.type, c.nullable, c.default, c.index) for c in a.columns] == [
        ("a_id", "int", False, None, False),
        ("note", "str", True, None, False),
        ("kind", "str", False, "'x'", True),
    ]


def test_the_user_is_known_by_what_the_login_gives(tmp_path: Path) -> None:
    text = """from sqlmodel import Field, SQLModel
class Member(SQLModel, table=True):
    id: int = Field(primary_key=True)
class Note(SQLModel, table=True):
    id: int = Field(primary_key=True)
    reader_id: int = Field(foreign_key="member.id")
    owner_id: int = Field(foreign_key="member.id")
"""
    main = (
        APP
        + """from fastapi import Depends
from fastapi.security import HTTPBearer
from models import Member
def current(token=Depends(HTTPBearer())) -> Member: ...
@app.get("/")
def read(member=Depends(current)): ...
"""
    )
    project = load(write(tmp_path, {"main.py": main, "models.py": text}))
    assert project.user_model is not None
    assert project.user_model.name == "Member"
    assert [model.owner_column for model in project.models] == [None, "owner_id"]


def test_models_that_import_each_other_are_read(tmp_path: Path) -> None:
    base = "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nfrom sqlmodel import Field, Relationship, SQLModel\n"
    write(
        tmp_path,
        {
            "main.py": APP + "from models import a, b\n",
            "models/__init__.py": "from .a import A\nfrom .b import B\n",
            "models/a.py": base + "if TYPE_CHECKING:\n    from .b import B\nclass A(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n    bs: list[B] = Relationship(back_populates='a')\n",
            "models/b.py": base + "from .a import A\nclass B(SQLModel, table=True):\n    id: int = Field(primary_key=True)\n    a_id: int = Field(foreign_key='a.id')\n    a: A = Relationship(back_populates='bs')\n",
        },
    )  # fmt: skip
    found = {model.name: model for model in load(tmp_path).models}
    assert [(one.name, one.target, one.many) for one in found["A"].relationships] == [
        ("bs", "B", True)
    ]
    assert [(one.name, one.target, one.many) for one in found["B"].relationships] == [
        ("a", "A", False)
    ]


def test_a_table_with_a_computed_name_is_said(tmp_path: Path) -> None:
    text = """import os
from sqlmodel import Field, SQLModel
class A(SQLModel, table=True):
    __tablename__ = os.environ["TABLE"]
    id: int = Field(primary_key=True)
"""
    write(tmp_path, {"main.py": APP, "models.py": text})
    project = load(tmp_path)
    assert project.models[0].table is None
    assert project.not_seen[0].what == "the table of A (models.py:3)"


@pytest.mark.parametrize(
    "base", [tables.Timestamps, *sorted(offered_by_the_kit(), key=lambda base: base.__name__)]
)
def test_the_columns_of_the_kit_are_those_of_the_kit(base: type[SQLModel]) -> None:
    known = KNOWN_COLUMNS.get(f"{base.__module__}.{base.__name__}", ())
    assert {column.name for column in known} == set(base.model_fields)
    for column in known:
        field = base.model_fields[column.name]  # pydantic's own where SQLModel has nothing to add
        key = getattr(field, "foreign_key", Undefined)
        assert column.primary_key == (getattr(field, "primary_key", False) is True)
        assert column.foreign_key == (None if key is Undefined else key)


def test_an_owner_who_is_kept_elsewhere_is_known_by_name(tmp_path: Path) -> None:
    text = """from sqlmodel import Field, SQLModel
class Note(SQLModel, table=True):
    id: int = Field(primary_key=True)
    user_id: str = Field(index=True)
class Tag(SQLModel, table=True):
    id: int = Field(primary_key=True)
    note_id: int = Field(foreign_key="note.id")
"""
    found = models(tmp_path, text)
    assert (found["Note"].owner_column, found["Tag"].owner_column) == ("user_id", None)
