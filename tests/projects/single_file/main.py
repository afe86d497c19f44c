from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, Security, status
from fastapi.security import APIKeyHeader
from sqlmodel import Field, Relationship, Session, SQLModel, create_engine, select

PREFIX = "/heroes"
api_key = APIKeyHeader(name="X-API-Key")


class Team(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True, unique=True, max_length=80)
    heroes: list["Hero"] = Relationship(back_populates="team")


class HeroBase(SQLModel):
    name: str = Field(index=True)
    age: int | None = None
    team_id: int | None = Field(default=None, foreign_key="team.id")


class Hero(HeroBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    secret_name: str
    team: Team | None = Relationship(back_populates="heroes")


class HeroCreate(HeroBase):
    secret_name: str


class HeroUpdate(SQLModel):
    name: str | None = None
    age: int | None = None


class HeroRead(HeroBase):
    id: int


engine = create_engine("sqlite:///heroes.db", connect_args={"check_same_thread": False})


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]

app = FastAPI(title="Heroes")


@app.on_event("startup")
def create_tables() -> None:
    SQLModel.metadata.create_all(engine)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post(PREFIX, response_model=HeroRead, status_code=status.HTTP_201_CREATED)
def create_hero(hero: HeroCreate, session: SessionDep, key: str = Security(api_key)):
    row = Hero.model_validate(hero)
    session.add(row)
    session.commit()
    session.refresh(row)
    return row


@app.get(PREFIX, response_model=list[HeroRead])
def list_heroes(session: SessionDep, offset: int = 0, limit: int = Query(default=100, le=100)):
    return session.exec(select(Hero).offset(offset).limit(limit)).all()


@app.get(f"{PREFIX}/{{hero_id}}", response_model=HeroRead)
def get_hero(hero_id: int, session: SessionDep):
    hero = session.get(Hero, hero_id)
    if not hero:
        raise HTTPException(status_code=404, detail="Hero not found")
    return hero


def delete_hero(hero_id: int, session: SessionDep):
    session.delete(get_hero(hero_id, session))
    session.commit()


app.add_api_route(
    PREFIX + "/{hero_id}",
    delete_hero,
    methods=["DELETE"],
    status_code=204,
    dependencies=[Depends(api_key)],
)
