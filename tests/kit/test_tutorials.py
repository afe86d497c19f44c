"""What the tutorials of SQLModel and FastAPI show, awaited: it runs, or says what to write.

Hero and Team are the tutorials' tables; the snippets are their idioms in our words.
"""

from collections.abc import AsyncIterator
from typing import assert_type

import pytest
from sqlalchemy.orm import selectinload
from sqlmodel import Field, SQLModel, col, delete, func, or_, select, update

from apiwright.kit.database import Database
from apiwright.kit.problems import NotFound
from apiwright.kit.session import Session
from tests.kit.conftest import TwoUsers
from tests.kit.models import Hero, Team

pytestmark = pytest.mark.anyio


class HeroUpdate(SQLModel):
    name: str | None = None
    age: int | None = Field(default=None)


@pytest.fixture
async def session(database: Database, users: TwoUsers) -> AsyncIterator[Session]:
    async with database.session(users.ada) as session:
        yield session


@pytest.fixture
async def heroes(session: Session) -> list[Hero]:
    preventers = await session.add(Team(name="Preventers"))
    return [
        await session.add(Hero(name="Deadpond", secret_name="Dive Wilson", age=48)),
        await session.add(Hero(name="Rusty-Man", secret_name="Tommy Sharp", team_id=preventers.id)),
        await session.add(Hero(name="Tarantula", secret_name="Natalia Roman", age=32)),
    ]


async def test_create_and_refresh(session: Session) -> None:
    hero = Hero(name="Deadpond", secret_name="Dive Wilson")
    await session.add(hero)
    with pytest.raises(AttributeError, match="nothing to commit"):
        await session.commit()
    await session.refresh(hero)
    assert hero.name == "Deadpond"


async def test_select_all_and_iterate(session: Session, heroes: list[Hero]) -> None:
    statement = select(Hero)
    results = await session.exec(statement)
    assert [hero.name for hero in results] == [hero.name for hero in heroes]
    assert_type((await session.exec(select(Hero))).all(), list[Hero])


async def test_where_with_comparisons_and_or(session: Session, heroes: list[Hero]) -> None:
    statement = select(Hero).where(col(Hero.age) >= 35)
    assert [hero.name for hero in (await session.exec(statement)).all()] == ["Deadpond"]
    either = select(Hero).where(or_(col(Hero.age) <= 35, col(Hero.age) > 90))
    assert [hero.name for hero in await session.exec(either)] == ["Tarantula"]
    chained = select(Hero).where(Hero.name == "Tarantula").where(Hero.age == 32)
    assert (await session.exec(chained)).one().secret_name == "Natalia Roman"


async def test_first_one_get_limit_and_offset(session: Session, heroes: list[Hero]) -> None:
    none = (await session.exec(select(Hero).where(col(Hero.age) < 25))).first()
    assert none is None
    assert (await session.get(Hero, heroes[0].id)) == heroes[0]
    assert_type(await session.get(Hero, heroes[0].id), Hero | None)
    page = await session.exec(select(Hero).order_by(col(Hero.name)).offset(1).limit(1))
    assert [hero.name for hero in page.all()] == ["Rusty-Man"]


async def test_read_one_or_404(session: Session, heroes: list[Hero]) -> None:
    hero = await session.get(Hero, heroes[0].id)
    if not hero:
        raise NotFound("Hero not found")
    with pytest.raises(NotFound, match="no such hero"):
        await session.get_one(Hero, heroes[0].owner_id)


async def test_update_from_a_schema(session: Session, heroes: list[Hero]) -> None:
    hero = await session.get_one(Hero, heroes[0].id)
    hero.sqlmodel_update(HeroUpdate(age=49).model_dump(exclude_unset=True))
    await session.add(hero)
    await session.refresh(hero)
    assert (hero.name, hero.age) == ("Deadpond", 49)


async def test_delete_one(session: Session, heroes: list[Hero]) -> None:
    hero = (await session.exec(select(Hero).where(Hero.name == "Deadpond"))).one()
    await session.delete(hero)
    assert await session.get(Hero, hero.id) is None


async def test_joins_of_two_tables(session: Session, heroes: list[Hero]) -> None:
    where = select(Hero, Team).where(Hero.team_id == Team.id)
    pairs = (await session.exec(where)).all()
    assert_type(pairs, list[tuple[Hero, Team]])
    for hero, team in pairs:
        assert (hero.name, team.name) == ("Rusty-Man", "Preventers")
    joined = await session.exec(select(Hero).join(Team).where(Team.name == "Preventers"))
    assert [hero.name for hero in joined] == ["Rusty-Man"]
    outer = await session.exec(select(Hero, Team).join(Team, isouter=True))
    assert sorted(team.name if team else "" for _, team in outer) == ["", "", "Preventers"]


async def test_relationship_attributes(session: Session, heroes: list[Hero]) -> None:
    rusty = (await session.exec(select(Hero).where(Hero.name == "Rusty-Man"))).one()
    with pytest.raises(Exception, match=r"select\(Hero\)\.options\(selectinload\(Hero\.team\)\)"):
        _ = rusty.team
    team = selectinload(Hero.team)  # type: ignore[arg-type]  # SQLModel's relationships are typed as their values
    hero = (await session.exec(select(Hero).options(team).where(Hero.id == rusty.id))).one()
    assert hero.team is not None
    assert hero.team.name == "Preventers"


async def test_creating_with_related_objects_says_what_to_write(session: Session) -> None:
    with pytest.raises(TypeError, match="set the foreign key"):
        await session.add(Hero(name="Deadpond", secret_name="Dive", team=Team(name="Z-Force")))
    with pytest.raises(TypeError, match="set the foreign key"):
        await session.add(Team(name="Wakaland", heroes=[Hero(name="Black Lion", secret_name="T")]))


async def test_bulk_statements_and_counts(session: Session, heroes: list[Hero]) -> None:
    await session.exec(update(Hero).where(col(Hero.age).is_(None)).values(age=0))
    assert (
        await session.exec(select(func.count()).select_from(Hero).where(Hero.age == 0))
    ).one() == 1
    assert (await session.exec(delete(Hero))).rowcount == 3


@pytest.mark.parametrize(
    "name", ["query", "execute", "scalars", "commit", "flush", "rollback", "add_all", "merge"]
)
async def test_the_rest_names_what_to_write(session: Session, name: str) -> None:
    with pytest.raises(AttributeError, match=r"session\.|commit"):
        getattr(session, name)
