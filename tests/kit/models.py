"""The tables of the kit's tests. All test modules share them: SQLModel has one registry."""

from uuid import UUID

from sqlmodel import Field, Relationship

from apiwright.kit.tables import Account, Internal, Owned, OwnedLink, Public, Timestamps


class User(Account, Timestamps, table=True):
    email: str = Field(max_length=254, unique=True)


class TaskTag(OwnedLink, table=True):
    task_id: UUID = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    tag_id: UUID = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")


class Project(Owned, table=True):
    name: str
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(Owned, Timestamps, table=True):
    title: str = Field(max_length=200)
    done: bool = False
    points: int | None = None
    project_id: UUID | None = Field(default=None, foreign_key="project.id", ondelete="SET NULL")
    project: Project | None = Relationship(back_populates="tasks")
    tags: list["Tag"] = Relationship(
        link_model=TaskTag, sa_relationship_kwargs={"order_by": "Tag.label"}
    )


class Tag(Owned, table=True):
    label: str = Field(unique=True)


class Country(Public, table=True):
    code: str = Field(primary_key=True)
    name: str


class Notice(Internal, table=True):
    id: int = Field(primary_key=True)
    note: str


class Team(Owned, table=True):
    name: str = Field(index=True)
    heroes: list["Hero"] = Relationship(back_populates="team")


class Hero(Owned, table=True):
    name: str = Field(index=True)
    secret_name: str
    age: int | None = Field(default=None, index=True)
    team_id: UUID | None = Field(default=None, foreign_key="team.id")
    team: Team | None = Relationship(back_populates="heroes")
