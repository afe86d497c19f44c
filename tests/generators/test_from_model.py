"""What is read from a model that is there, and what is made of it."""

from pathlib import Path

import pytest

from apiwright.edit.apply import apply
from apiwright.errors import ApiwrightError, Refused
from apiwright.generators import from_model, resource, verify
from apiwright.generators.fields import FieldSpec, Resource, command
from apiwright.generators.shadow import Place
from apiwright.project.load import load
from tests.generators.conftest import read

MAIN = "from fastapi import FastAPI\n\napp = FastAPI()\n"
MOODS = """from enum import Enum, StrEnum, auto


class Mood(StrEnum):
    GOOD = "good"
    not_so = "not-so-good"


class Size(str, Enum):
    S = "s"


class Step(StrEnum):
    FIRST = auto()


class Level(Enum):
    LOW = 1
"""
SQLMODEL = '''from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Optional
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, JSON, Column, Computed, Numeric, String, Text, UniqueConstraint, text
from sqlmodel import Field, Relationship, SQLModel

from .moods import Level, Mood, Size, Step

LONG = 120


class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    hashed_password: str


class Project(SQLModel, table=True):
    id: int = Field(primary_key=True)
    name: str


class Entry(SQLModel, table=True):
    __tablename__ = "entries"
    __table_args__ = (UniqueConstraint("title", "day"),)
    icon: ClassVar[str] = "x"

    id: UUID = Field(default_factory=uuid4, primary_key=True)
{fields}
'''  # fmt: skip


def entry(folder: Path, fields: str) -> Resource:
    """Of a SQLModel class with these fields."""
    (folder / "app").mkdir()
    (folder / "app/main.py").write_text(MAIN)
    (folder / "app/moods.py").write_text(MOODS)
    body = "".join(f"    {line}\n" for line in fields.splitlines())
    (folder / "app/models.py").write_text(SQLMODEL.replace("{fields}\n", body))
    return from_model.resource(load(folder), "app.models:Entry")


READ = {
    "title: str = Field(max_length=LONG, min_length=2)": "title:str:min=2:max=120",
    "body: str": "body:text",
    "slug: str = Field(unique=True)": "slug:str:unique",
    'code: str = Field(max_length=9, regex="^[A-Z:]+$")': "code:str:max=9:pattern=^[A-Z:]+$",
    "bio: str | None = Field(default=None, sa_type=Text)": "bio:text:optional",
    "nick: Optional[str] = Field(default=None, max_length=5)": "nick:str:optional:max=5",
    "about: Annotated[str, Field(max_length=7)]": "about:str:max=7",
    "stars: int = Field(default=1, ge=1, lt=6)": "stars:int:ge=1:lt=6:default=1",
    "rate: float = 0.5": "rate:float:default=0.5",
    "price: Decimal = Field(max_digits=8, decimal_places=3, gt=0)": (
        "price:decimal:gt=0:digits=8.3"
    ),
    "cost: Decimal = Field(sa_column=Column(Numeric(6, 1), nullable=False))": (
        "cost:decimal:digits=6.1"
    ),
    "due: date | None = Field(default=None, index=True)": "due:date:optional:index",
    "at: datetime": "at:datetime",
    "done: bool = False": "done:bool:default=false",
    "key: UUID": "key:uuid",
    "mood: Mood = Mood.not_so": "mood:enum:good,not-so-good:default=not-so-good",
    "size: Size": "size:enum:s",
    "step: Step = Step.FIRST": "step:enum:first:default=first",
    "labels: list[str] = Field(sa_type=ARRAY(String(50)))": "labels:list:str",
    "data: dict[str, Any] = Field(sa_type=JSON)": "data:json",
    'project_id: int = Field(foreign_key="project.id", ondelete="CASCADE")': (
        "project_id:ref:Project:on-delete=cascade"
    ),
}


def test_what_a_field_says_is_what_the_command_line_would_say(tmp_path: Path) -> None:
    read = entry(tmp_path, "\n".join(READ))
    assert command(read).split()[4:] == [
        f"'{said}'" if "^" in said else said for said in READ.values()
    ]
    assert read.existing is not None
    assert (read.existing.table, read.existing.id_type) == ("entries", "uuid")
    assert read.existing.together == (("title", "day"),)
    assert dict(read.existing.enums) == dict.fromkeys(("Mood", "Size", "Step"), "app.moods")
    by_name = {field.name: field for field in read.fields}
    assert by_name["mood"].members == ("Mood", "GOOD", "not_so")


LEFT_OUT = {
    "password_hash: str": "looks like a secret: it is taken, and in no answer",
    "api_token: str | None = None": "looks like a secret: it is neither taken nor shown",
    "owner_id: int | None = None": "says whose a row is: it is neither taken nor shown",
    'helper: int | None = Field(default=None, foreign_key="user.id")': "says whose a row is",
    "blob: bytes | None = None": "is of a type that is not known: bytes",
    "level: Level = Level.LOW": "is of a type that is not known: Level",
    'at: datetime = Field(sa_column_kwargs={"server_default": text("now()")})': (
        "is filled: it is only shown"
    ),
    "made: datetime = Field(default_factory=datetime.now)": "is filled: it is only shown",
    'loud: str = Field(sa_column=Column(String(9), Computed("upper(name)")))': (
        "is filled: it is only shown"
    ),
}


@pytest.mark.parametrize("line", LEFT_OUT)
def test_what_is_not_taken_or_not_shown_is_said(tmp_path: Path, line: str) -> None:
    read = entry(tmp_path, f"name: str\n{line}")
    name = line.partition(":")[0]
    assert read.existing is not None
    (note,) = read.existing.notes
    assert note.startswith(f"{name} (app/models.py:3")
    assert LEFT_OUT[line] in note
    spec = {field.name: field for field in read.fields}.get(name)
    assert spec is None or spec.readonly or spec.writeonly


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("name: str\nauthor: int", "author .* says whose a row is, and must have a value"),
        ("name: str\nblob: bytes", "blob .* is not known: bytes, and must have a value"),
        ("name: str = Field(max_length=2, unique=True)", "too few values"),
        ("user_id: int | None = None", "no column that an answer could show"),
    ],
)
def test_what_nobody_could_give_a_value_is_refused(
    tmp_path: Path, fields: str, complaint: str
) -> None:
    with pytest.raises(Refused, match=complaint):
        entry(tmp_path, fields)


OTHERS = {
    "mapped": """from sqlalchemy import String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    id: Mapped[int] = mapped_column(primary_key=True)


class Entry(Base):
    __tablename__ = "entries"

    title: Mapped[str] = mapped_column(String(80))
    body: Mapped[str | None] = mapped_column("the body", Text)
    done: Mapped[bool] = mapped_column(default=False)
""",
    "column": """from sqlalchemy import Boolean, Column, Integer, String, Text
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Entry(Base):
    __tablename__ = "entries"

    id = Column(Integer, primary_key=True)
    title = Column(String(80), nullable=False)
    body = Column("the body", Text)
    done = Column(Boolean, default=False, nullable=False)
""",
}


@pytest.mark.parametrize("style", OTHERS)
def test_models_of_sqlalchemy_are_read_as_well(tmp_path: Path, style: str) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "models.py").write_text(OTHERS[style])
    read = from_model.resource(load(tmp_path), "Entry")
    assert read.fields == (
        FieldSpec("title", "str", max=80, stored_as="title"),
        FieldSpec("body", "text", optional=True, stored_as="the body"),
        FieldSpec("done", "bool", default="false", stored_as="done"),
    )
    assert read.existing is not None
    assert read.existing.id_type == "int"


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("code: str = Field(primary_key=True)", "is (code), and not one `id`"),
        ("id: str = Field(primary_key=True)", "neither a UUID nor an integer, but str"),
        (
            "id: int = Field(primary_key=True)\n    no: int = Field(primary_key=True)",
            "is (id, no), and not one `id`",
        ),
    ],
)
def test_a_key_that_no_route_could_name_is_refused(
    tmp_path: Path, key: str, complaint: str
) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "models.py").write_text(
        "from sqlmodel import Field, SQLModel\n\n\n"
        f"class Entry(SQLModel, table=True):\n    {key}\n    name: str\n"
    )
    with pytest.raises(Refused) as refused:
        from_model.resource(load(tmp_path), "Entry")
    assert complaint in refused.value.happened


def test_a_model_that_there_is_not_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    entry(tmp_path, "name: str")
    with pytest.raises(ApiwrightError) as refused:
        from_model.resource(load(tmp_path), "app.models:Entree")
    assert "app.models:Entry" in refused.value.todo
    assert refused.value.status == 2


OWNED = """

class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Entry(Owned, table=True):
    __table_args__ = (UniqueConstraint("title", "mood"),)

    title: str = Field(max_length=80)
    mood: Mood = Mood.GOOD
    place: str | None = Field(default=None, sa_column=Column("a_place", String(30)))
    loud: str | None = Field(
        default=None, sa_column=Column(String(80), Computed("upper(title)", persisted=True))
    )
    pin_hash: str = Field(max_length=60)
    api_token: str | None = Field(default=None, max_length=60)
    project_id: UUID = Field(foreign_key="project.id", ondelete="CASCADE")
"""


def test_a_model_of_ours_is_served_and_its_table_made_if_no_migration_does(
    shop: Path, place: Place
) -> None:
    models = shop / "app/models.py"
    text = models.read_text()
    more = "from enum import StrEnum\n"
    names = "Column, Computed, Index, String, UniqueConstraint"
    text = text.replace("from uuid import UUID", more + "from uuid import UUID")
    models.write_text(text.replace("import Index", f"import {names}") + OWNED)
    project = read(shop)
    wanted = from_model.resource(project, "app.models:Entry")
    plan = resource.plan(project, wanted, place)
    assert "app/models.py" not in {file.path for file in plan.files}
    assert any("add_entries" in file.path for file in plan.files)
    checks = verify.verify(
        project,
        plan,
        resource.wanted(project, wanted),
        place,
        lambda changed: resource.plan(changed, from_model.resource(changed, "Entry"), place),
    )
    assert [(check.what, check.detail) for check in checks if not check.passed] == []
    said = {each.what for each in plan.assumptions}
    assert any(each.startswith("the same as: apiwright add resource Entry title") for each in said)
    assert any("looks like a secret" in each for each in said)
    apply(plan, shop)
    schemas = (shop / "app/schemas/entry.py").read_text()
    assert "api_token" not in schemas
    assert "pin_hash" not in schemas.partition("class EntryPublic")[2]


def test_a_model_that_has_no_owner_is_refused(shop: Path, place: Place) -> None:
    project = read(shop)
    with pytest.raises(Refused, match="Template is not owned by a user") as refused:
        resource.plan(project, from_model.resource(project, "Template"), place)
    assert "inherit from Owned" in refused.value.todo
