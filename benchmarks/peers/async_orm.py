"""The peer `b-async-orm`: async FastAPI as most write it, on SQLAlchemy's ORM session.

A session per request, the user loaded by it on every request, rows loaded as instances, changes
written by the unit of work, lists by offset with their total.
"""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

import jwt
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, ForeignKey, String, func, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET_KEY = os.environ["SECRET_KEY"]
APP_NAME = os.environ["APP_NAME"]

engine = create_async_engine(
    make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg"),
    pool_size=16,
    max_overflow=0,
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
bearer = OAuth2PasswordBearer(tokenUrl="api/v1/auth/login")


class Base(DeclarativeBase):
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )


class User(Base):
    __tablename__ = "user"

    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    is_active: Mapped[bool] = mapped_column(default=True)
    role: Mapped[str] = mapped_column(String(6), default="member")


class Project(Base):
    __tablename__ = "project"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(200))


class Task(Base):
    __tablename__ = "task"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(2000))
    done: Mapped[bool] = mapped_column(default=False)
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))


class TaskCreate(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=2000)
    done: bool = False
    project_id: UUID | None = None


class TaskUpdate(BaseModel):
    title: str | None = Field(None, min_length=1, max_length=200)
    description: str | None = Field(None, max_length=2000)
    done: bool | None = None
    project_id: UUID | None = None


class TaskPublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    description: str | None
    done: bool
    project_id: UUID | None
    created_at: datetime
    updated_at: datetime


class TaskPage(BaseModel):
    items: Sequence[TaskPublic]
    total: int


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_user(session: Session, token: Annotated[str, Depends(bearer)]) -> User:
    try:
        claims = jwt.decode(
            token, SECRET_KEY, algorithms=["HS256"], audience=APP_NAME, issuer=APP_NAME
        )
        user = await session.get(User, UUID(claims["sub"]))
    except (jwt.InvalidTokenError, KeyError, ValueError):
        user = None
    if user is None or not user.is_active:
        raise HTTPException(
            401, "Could not validate credentials", headers={"WWW-Authenticate": "Bearer"}
        )
    return user


CurrentUser = Annotated[User, Depends(get_user)]

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])


async def own_task(session: AsyncSession, user: User, task_id: UUID) -> Task:
    task = await session.scalar(select(Task).where(Task.id == task_id, Task.owner_id == user.id))
    if task is None:
        raise HTTPException(404, "Task not found")
    return task


@router.get("", response_model=TaskPage)
async def list_tasks(
    session: Session,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, object]:
    mine = Task.owner_id == user.id
    total = await session.scalar(select(func.count()).select_from(Task).where(mine))
    newest_first = select(Task).where(mine).order_by(Task.created_at.desc(), Task.id.desc())
    tasks = await session.scalars(newest_first.limit(limit).offset(offset))
    return {"items": tasks.all(), "total": total}


@router.post("", response_model=TaskPublic, status_code=201)
async def create_task(session: Session, user: CurrentUser, data: TaskCreate) -> Task:
    task = Task(**data.model_dump(), owner_id=user.id)
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task


@router.get("/{task_id}", response_model=TaskPublic)
async def get_task(session: Session, user: CurrentUser, task_id: UUID) -> Task:
    return await own_task(session, user, task_id)


@router.patch("/{task_id}", response_model=TaskPublic)
async def update_task(session: Session, user: CurrentUser, task_id: UUID, data: TaskUpdate) -> Task:
    task = await own_task(session, user, task_id)
    for name, value in data.model_dump(exclude_unset=True).items():
        setattr(task, name, value)
    await session.commit()
    await session.refresh(task)
    return task


app = FastAPI(title="Tasks")
app.include_router(router)
