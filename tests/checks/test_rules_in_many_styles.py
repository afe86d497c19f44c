"""Rules on programs in many people's styles: of each route, its name says what is right of it.

`bad…` is one that the rule must speak about, at the route or with the route as related; `good…` is
one that it must be silent about.
"""

# ruff: noqa: E501  # other people's code, in one line each

from pathlib import Path

import pytest

from apiwright.checks.rule import all_rules
from apiwright.project.load import read
from tests.project.projects import write

BLOCKING_CALL_IN_ASYNC = """import asyncio, json, os, subprocess, sqlite3, functools, httpx, requests, redis, aiofiles, anyio
import psycopg2
from time import sleep as nap
from pathlib import Path
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, asynccontextmanager
from fastapi import APIRouter, Depends, FastAPI, WebSocket, UploadFile
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from . import utils
from .services import PriceService, price_service, BaseClient, Retrying
app = FastAPI()
client = httpx.Client()
cache = redis.Redis(host="x")
pool = ThreadPoolExecutor()

@app.get("/1")
async def bad1():
    return client.get("x").json()
@app.get("/2")
async def bad2():
    return cache.get("x")
@app.get("/3")
async def good3():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor() as p:
        return await loop.run_in_executor(p, requests.get, "x")
@app.get("/4")
async def good4():
    return await asyncio.to_thread(requests.get, "x")
@app.get("/5")
async def bad5():
    conn = sqlite3.connect("x")
    cur = conn.cursor()
    cur.execute("select 1")
    return cur.fetchall()
@app.get("/6")
async def bad6():
    with psycopg2.connect("x") as conn:
        with conn.cursor() as cur:
            cur.execute("select 1")
class Slow:
    async def __call__(self):
        nap(1)
@app.get("/7")
def bad7(x=Depends(Slow())): ...
@app.websocket("/8")
async def bad8(ws: WebSocket):
    await ws.accept()
    nap(2)
@app.get("/9")
def good9(x=Depends(lambda: nap(1))): ...
@app.get("/10")
async def bad10():
    return utils.load()
@app.get("/11")
async def bad11():
    return await price_service.latest()
@app.get("/12")
async def bad12(service: PriceService = Depends()):
    return await service.history()
@app.get("/13")
async def good13():
    async with aiofiles.open("x") as f:
        return await f.read()
@app.get("/14")
async def good14():
    return await anyio.Path("x").read_text()
@app.get("/15")
async def bad15():
    with utils.locked():
        return 1
@app.get("/16")
async def bad16():
    async def gen():
        while True:
            nap(1)
            yield "x"
    return StreamingResponse(gen())
@app.get("/17")
async def bad17():
    asyncio.create_task(utils.worker())
@app.get("/18")
async def bad18():
    p = subprocess.Popen(["x"])
    p.wait()
@app.get("/19")
async def bad19():
    with Path("x").open() as f:
        return json.load(f)
@app.get("/20")
async def good20():
    proc = await asyncio.create_subprocess_exec("x")
    await proc.wait()
@app.get("/21")
async def bad21():
    return [requests.get(u) for u in ("a", "b")]
@app.get("/22")
async def bad22():
    return BaseClient().fetch()
@app.get("/23")
async def bad23(file: UploadFile):
    return file.file.read()
@app.get("/24")
async def good24(file: UploadFile):
    return await file.read()
@app.get("/25")
async def good25():
    return await run_in_threadpool(lambda: utils.load())
@app.get("/26")
async def good26():
    await asyncio.gather(*[asyncio.to_thread(utils.load) for _ in range(3)])
class Routes:
    def __init__(self):
        self.router = APIRouter()
        self.router.add_api_route("/27", self.bad27, methods=["GET"])
    async def bad27(self):
        utils.load()
app.include_router(Routes().router)
@app.get("/28")
async def good28():
    r = await httpx.AsyncClient().get("x")
    return r.json()
@app.get("/29")
async def bad29():
    return await Retrying().call()
@app.get("/30")
async def good30():
    future = pool.submit(utils.load)
    return await asyncio.wrap_future(future)
@app.get("/31")
async def bad31():
    return utils.hashed("x")
@app.get("/32")
async def good32():
    return utils.quick()
"""

UTILS = """import time, requests, hashlib
from contextlib import contextmanager
import bcrypt
def load():
    return _inner()
def _inner():
    time.sleep(1)
@contextmanager
def locked():
    time.sleep(1)
    yield
async def worker():
    requests.post("x")
def hashed(p):
    return bcrypt.hashpw(p.encode(), bcrypt.gensalt())
def quick():
    return hashlib.sha256(b"x").hexdigest()
"""

SERVICES = """import requests
from typing import Protocol
class Http(Protocol):
    def get(self, url): ...
class BaseClient:
    url: str = "x"
    def fetch(self):
        return self._get(self.url)
    def _get(self, url):
        return requests.get(url)
class PriceClient(BaseClient):
    def _get(self, url):
        return super()._get(url)
class PriceService:
    def __init__(self):
        self.client = PriceClient()
    async def latest(self):
        return self.client.fetch()
    async def history(self):
        data = await self.latest()
        return data
class Retrying:
    async def call(self):
        return await self._again(self.once)
    async def _again(self, f):
        return await f()
    async def once(self):
        return requests.get("x")
price_service = PriceService()
"""

DATABASE = """from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker, Session, scoped_session
from sqlalchemy.ext.asyncio import create_async_engine, async_sessionmaker, AsyncSession
from contextlib import contextmanager, asynccontextmanager
engine = create_engine("sqlite://")
SessionLocal = sessionmaker(bind=engine)
AsyncLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)
class Database:
    def __init__(self, url):
        self._engine = create_engine(url)
        self._factory = sessionmaker(bind=self._engine)
    @contextmanager
    def session(self):
        session = self._factory()
        try:
            yield session
        finally:
            session.close()
    def get(self):
        with self.session() as s:
            yield s
database = Database("sqlite://")
def get_db():
    with SessionLocal() as s:
        yield s
async def get_async():
    async with AsyncLocal() as s:
        yield s
class UnitOfWork:
    def __init__(self, factory=SessionLocal):
        self.factory = factory
    def __enter__(self):
        self.session = self.factory()
        return self
    def __exit__(self, *a):
        self.session.close()
"""

SYNC_SESSION_IN_ASYNC_ROUTE = """import asyncio
from fastapi import FastAPI, Depends, BackgroundTasks
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from app.db import *
app = FastAPI()
def load(s): return s.execute(text("x")).all()
@app.get("/1")
async def bad_1(db: Session = Depends(database.get)): return db.query(1).all()
@app.get("/2")
async def bad_2():
    with database.session() as s:
        return load(s)
@app.get("/3")
async def bad_3():
    with UnitOfWork() as uow:
        uow.session.commit()
@app.get("/4")
def good_4(db=Depends(get_db)): return load(db)
@app.get("/5")
async def good_5(db=Depends(get_db)): return await run_in_threadpool(load, db)
@app.get("/6")
async def good_6(db: AsyncSession = Depends(get_async)): return (await db.execute(text("x"))).all()
@app.get("/7")
async def good_7(db: AsyncSession = Depends(get_async)): return await db.run_sync(load)
class Repo:
    def __init__(self, db: Session = Depends(get_db)): self.db = db
    def all(self): return self.db.scalars(text("x")).all()
class Service:
    def __init__(self, repo: Repo = Depends(Repo)): self.repo = repo
    async def list(self): return self.repo.all()
    async def threaded(self): return await asyncio.to_thread(self.repo.all)
@app.get("/8")
async def bad_8(s: Service = Depends()): return await s.list()
@app.get("/9")
async def good_9(s: Service = Depends()): return await s.threaded()
@app.get("/10")
async def bad_10(db=Depends(get_db)): return load(db)
@app.get("/11")
async def bad_11():
    with engine.connect() as c: return c.execute(text("x")).all()
@app.get("/12")
async def bad_12():
    db = next(get_db())
    return db.query(1).first()
"""

SHARED_SESSION = """from fastapi import FastAPI, Depends
from functools import lru_cache, cache
from app.db import *
app = FastAPI()
class Repo:
    session = SessionLocal()
    def all(self): return self.session.query(1).all()
@app.get("/1")
def bad_1(): return Repo().all()
class Lazy:
    def __init__(self, factory): self.factory = factory
    def all(self):
        with self.factory() as s: return s.query(1).all()
lazy = Lazy(SessionLocal)
@app.get("/2")
def good_2(): return lazy.all()
shared = AsyncLocal()
@app.get("/3")
async def bad_3(): return await shared.execute(text("x"))
class Kept:
    def __init__(self): self.db = next(get_db())
    def all(self): return self.db.query(1).all()
kept = Kept()
@app.get("/4")
def bad_4(): return kept.all()
@cache
def conn():
    return engine.connect()
@app.get("/5")
def bad_5(c=Depends(conn)): return c.execute(text("x"))
@app.on_event("startup")
def start():
    app.state.db = SessionLocal()
from fastapi import Request
@app.get("/6")
def bad_6(request: Request): return request.app.state.db.query(1).all()
@app.get("/7")
def good_7(db=Depends(get_db)): return db.query(1).all()
_factory = None
def factory():
    global _factory
    if _factory is None: _factory = sessionmaker()
    return _factory
@app.get("/8")
def good_8():
    with factory()() as s: return s.query(1).all()
"""

COMMIT_AFTER_RESPONSE = """from typing import Annotated
from fastapi import FastAPI, Depends, BackgroundTasks
from fastapi.responses import StreamingResponse
from app.db import *
app = FastAPI()
def late():
    db = SessionLocal()
    try:
        yield db
        db.commit()
    except Exception:
        db.rollback(); raise
    finally:
        db.close()
async def begun():
    async with AsyncLocal() as s:
        async with s.begin():
            yield s
async def early():
    async with AsyncLocal() as s:
        try:
            yield s
        except Exception:
            await s.rollback(); raise
async def final():
    s = AsyncLocal()
    try:
        yield s
    finally:
        await s.commit()
        await s.close()
class Uow:
    def __init__(self): self.session = SessionLocal()
    def commit(self): self.session.commit()
def uow():
    u = Uow()
    yield u
    u.commit()
Late = Annotated[Session, Depends(late)]
Now = Annotated[Session, Depends(late, scope="function")]
@app.post("/1")
def bad_1(db: Late): ...
@app.post("/2")
def good_2(db: Now): ...
@app.post("/3")
async def bad_3(db=Depends(begun)): ...
@app.post("/4")
async def good_4(db=Depends(early)): await db.commit()
@app.post("/5")
async def bad_5(db=Depends(final)): ...
@app.post("/6")
def bad_6(u: Uow = Depends(uow)): ...
def task(db): db.commit()
def own():
    with SessionLocal() as s: s.commit()
@app.post("/7")
def bad_7(bg: BackgroundTasks, db=Depends(get_db)): bg.add_task(task, db)
@app.post("/8")
def good_8(bg: BackgroundTasks, db=Depends(get_db)): bg.add_task(own)
"""

CONNECTION_HELD_BY_STREAM = """import asyncio, io, csv
from fastapi import FastAPI, Depends, Request
from fastapi.responses import StreamingResponse
from sse_starlette.sse import EventSourceResponse
from app.db import *
app = FastAPI()
async def rows(db):
    result = await db.stream(text("x"))
    async for r in result: yield str(r)
@app.get("/1")
async def bad_1(db: AsyncSession = Depends(get_async)): return StreamingResponse(rows(db))
@app.get("/2")
async def bad_2(request: Request, db: AsyncSession = Depends(get_async)):
    async def events():
        while not await request.is_disconnected():
            yield {"data": await db.scalar(text("x"))}
            await asyncio.sleep(1)
    return EventSourceResponse(events())
@app.get("/3")
async def good_3():
    async def events():
        while True:
            async with AsyncLocal() as s: yield str(await s.scalar(text("x")))
    return EventSourceResponse(events())
@app.get("/4")
def bad_4(db=Depends(get_db)):
    def lines():
        for r in db.query(1).yield_per(10): yield str(r)
    return StreamingResponse(lines())
@app.get("/5")
def good_5(db=Depends(get_db)):
    buf = io.StringIO(); csv.writer(buf).writerows(db.query(1).all()); buf.seek(0)
    return StreamingResponse(buf)
class Chat:
    def __init__(self, db: AsyncSession = Depends(get_async)): self.db = db
    async def answer(self, q):
        async for t in model(q): yield t
        await self.save(q)
    async def save(self, q):
        self.db.add(q); await self.db.commit()
async def model(q):
    yield q
@app.get("/6")
async def bad_6(q: str, chat: Chat = Depends()): return StreamingResponse(chat.answer(q))
"""

UNSCOPED_QUERY = """from typing import Annotated, Generic, TypeVar, Type, Optional, Any
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Path, Body
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import ForeignKey, select, update, delete, and_, or_, func
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, Session, sessionmaker, selectinload
from pydantic import BaseModel
app = FastAPI()
oauth = OAuth2PasswordBearer(tokenUrl="login")
class Base(DeclarativeBase): ...
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    hashed_password: Mapped[str]
    role: Mapped[str]
    notes: Mapped[list["Note"]] = relationship(back_populates="user")
class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user: Mapped["User"] = relationship(back_populates="notes")
    tags: Mapped[list["Tag"]] = relationship()
    @classmethod
    def by_id(cls, db: Session, id: int):
        return db.query(cls).filter(cls.id == id).first()
    @classmethod
    def mine(cls, db, user, id):
        return db.query(cls).filter(cls.id == id, cls.user_id == user.id).first()
class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"))
    note: Mapped["Note"] = relationship()
Local = sessionmaker()
def get_db():
    db = Local()
    try: yield db
    finally: db.close()
def get_user(token: str = Depends(oauth), db: Session = Depends(get_db)) -> User:
    user = db.query(User).filter(User.id == int(token)).first()
    if not user: raise HTTPException(401)
    return user
Db = Annotated[Session, Depends(get_db)]
Me = Annotated[User, Depends(get_user)]
class NoteIn(BaseModel):
    text: str
M_ = TypeVar("M_", bound=Base)
class CRUD(Generic[M_]):
    def __init__(self, model: Type[M_]):
        self.model = model
    def get(self, db: Session, id: Any) -> Optional[M_]:
        return db.query(self.model).filter(self.model.id == id).first()
    def multi(self, db: Session, *, skip=0, limit=100):
        return db.query(self.model).offset(skip).limit(limit).all()
    def by_owner(self, db, *, user_id):
        return db.query(self.model).filter(self.model.user_id == user_id).all()
    def remove(self, db: Session, *, id: int):
        obj = db.query(self.model).get(id)
        db.delete(obj)
        db.commit()
        return obj
    def update(self, db, *, db_obj, obj_in):
        for f, v in obj_in.dict().items():
            setattr(db_obj, f, v)
        db.commit()
        return db_obj
    def find(self, db, **filters):
        return db.query(self.model).filter_by(**filters).first()
note_crud = CRUD(Note)
class Owner:
    def __init__(self, model):
        self.model = model
    def __call__(self, id: int, db: Db, me: Me):
        row = db.get(self.model, id)
        if row is None or row.user_id != me.id:
            raise HTTPException(404)
        return row
def note_or_404(id: int, db: Db):
    n = db.get(Note, id)
    if n is None: raise HTTPException(404)
    return n
def my_note(me: Me, note: Note = Depends(note_or_404)):
    if note.user != me: raise HTTPException(403)
    return note
def assert_owner(row, user):
    if row.user_id != user.id: raise HTTPException(403)
def belongs_to(user): return Note.user_id == user.id
@app.get("/notes")
def good_list(db: Db, me: Me): return note_crud.by_owner(db, user_id=me.id)
@app.get("/1/{id}")
def bad_1(id: int, db: Db, me: Me): return note_crud.get(db, id)
@app.get("/2/{id}")
def bad_2(id: int, db: Db, me: Me): return Note.by_id(db, id)
@app.get("/3/{id}")
def good_3(id: int, db: Db, me: Me): return Note.mine(db, me, id)
@app.get("/4/{id}")
def good_4(note: Note = Depends(Owner(Note))): return note
@app.get("/5/{id}")
def bad_5(me: Me, note: Note = Depends(note_or_404)): return note
@app.get("/6/{id}")
def good_6(note: Note = Depends(my_note)): return note
@app.delete("/7/{id}")
def bad_7(id: int, db: Db, me: Me): return note_crud.remove(db, id=id)
@app.put("/8/{id}")
def good_8(id: int, data: NoteIn, db: Db, me: Me):
    note = note_crud.get(db, id=id)
    if not note: raise HTTPException(404)
    if not (note.user_id == me.id or me.role == "admin"): raise HTTPException(403)
    return note_crud.update(db, db_obj=note, obj_in=data)
@app.put("/9/{id}")
def bad_9(id: int, data: NoteIn, db: Db, me: Me):
    note = note_crud.get(db, id=id)
    return note_crud.update(db, db_obj=note, obj_in=data)
@app.get("/10/{id}")
def good_10(id: int, db: Db, me: Me):
    note = db.get(Note, id)
    assert_owner(note, me)
    return note
@app.get("/11/{id}")
def good_11(id: int, db: Db, me: Me):
    note = db.get(Note, id)
    if note in me.notes: return note
    raise HTTPException(404)
@app.get("/12/{id}")
def good_12(id: int, me: Me):
    return next((n for n in me.notes if n.id == id), None)
@app.get("/13/{id}")
def good_13(id: int, db: Db, me: Me):
    return db.scalars(select(Note).where(Note.id == id).where(belongs_to(me))).first()
@app.get("/14/{id}")
def good_14(id: int, db: Db, me: Me): return note_crud.find(db, id=id, user_id=me.id)
@app.get("/15/{id}")
def bad_15(id: int, db: Db, me: Me): return note_crud.find(db, id=id)
@app.get("/16")
def bad_16(q: str, db: Db, me: Me):
    return db.query(Note).filter(Note.text.ilike(f"%{q}%")).all()
@app.get("/17")
def good_17(q: str, db: Db, me: Me):
    query = db.query(Note).filter(Note.user == me)
    if q:
        query = query.filter(Note.text.ilike(q))
    return query.all()
@app.get("/18")
def bad_18(q: str, db: Db, me: Me):
    query = db.query(Note)
    if q:
        query = query.filter(Note.text.ilike(q))
    return query.all()
@app.get("/19")
def bad_19(db: Db, me: Me):
    return db.query(Note).filter(or_(Note.user_id == me.id, Note.text != "")).all()
@app.get("/20")
def good_20(db: Db, me: Me):
    return db.query(Note).filter(and_(Note.user_id == me.id, Note.text != "")).all()
@app.patch("/21/{id}")
def bad_21(id: int, text: str, db: Db, me: Me):
    db.execute(update(Note).where(Note.id == id).values(text=text)); db.commit()
@app.patch("/22/{id}")
def good_22(id: int, text: str, db: Db, me: Me):
    r = db.execute(update(Note).where(Note.id == id, Note.user_id == me.id).values(text=text)); db.commit()
@app.post("/23")
def bad_23(ids: list[int], db: Db, me: Me):
    db.query(Note).filter(Note.id.in_(ids)).delete(); db.commit()
@app.get("/24/{id}/tags")
def bad_24(id: int, db: Db, me: Me): return db.query(Tag).filter(Tag.note_id == id).all()
@app.get("/25/{id}/tags")
def good_25(id: int, db: Db, note: Note = Depends(my_note)): return db.query(Tag).filter(Tag.note_id == note.id).all()
@app.delete("/26/{id}/tags/{tag_id}")
def bad_26(tag_id: int, db: Db, note: Note = Depends(my_note)):
    tag = db.get(Tag, tag_id); db.delete(tag); db.commit()
@app.delete("/27/{id}/tags/{tag_id}")
def good_27(tag_id: int, db: Db, note: Note = Depends(my_note)):
    tag = db.get(Tag, tag_id)
    if tag.note_id != note.id: raise HTTPException(404)
    db.delete(tag); db.commit()
@app.delete("/28/tags/{tag_id}")
def good_28(tag_id: int, db: Db, me: Me):
    tag = db.query(Tag).join(Note).filter(Tag.id == tag_id, Note.user_id == me.id).first()
    db.delete(tag); db.commit()
@app.delete("/29/tags/{tag_id}")
def good_29(tag_id: int, db: Db, me: Me):
    tag = db.get(Tag, tag_id)
    if tag.note.user_id != me.id: raise HTTPException(403)
    db.delete(tag); db.commit()
@app.get("/30")
def good_30(db: Db, me: Me):
    if me.role == "admin": return note_crud.multi(db)
    return note_crud.by_owner(db, user_id=me.id)
@app.get("/31")
def bad_31(db: Db, me: Me): return note_crud.multi(db)
@app.post("/32")
def good_32(data: NoteIn, db: Db, me: Me):
    if db.query(Note).filter(Note.text == data.text).first(): raise HTTPException(409)
    n = Note(text=data.text, user_id=me.id); db.add(n); db.commit(); return n
@app.get("/33/{id}")
def good_33(id: int, db: Db, me: Me):
    note = db.get(Note, id)
    if str(note.user_id) == str(me.id): return note
    raise HTTPException(404)
def require_admin(me: Me):
    if me.role != "admin": raise HTTPException(403)
    return me
@app.delete("/34/{id}")
def good_34(id: int, db: Db, me: User = Depends(require_admin)):
    db.delete(db.get(Note, id))
@app.post("/35/{id}/tags")
def bad_35(id: int, name: str, db: Db, me: Me):
    note = db.get(Note, id)
    if not note: raise HTTPException(404)
    db.add(Tag(name=name, note_id=note.id)); db.commit()
@app.post("/36/{id}/tags")
def good_36(id: int, name: str, db: Db, note: Note = Depends(my_note)):
    db.add(Tag(name=name, note_id=note.id)); db.commit()
@app.get("/37/{id}")
def bad_37(id: int, db: Db, me: Me):
    stmt = select(Note).options(selectinload(Note.user)).where(Note.id == id)
    return db.execute(stmt).scalar_one_or_none()
@app.get("/38")
def good_38(db: Db, me: Me):
    filters = {"user_id": me.id}
    return db.query(Note).filter_by(**filters).all()
@app.get("/39")
def good_39(db: Db, me: Me):
    conds = []
    conds.append(Note.user_id == me.id)
    return db.query(Note).filter(*conds).all()
@app.get("/40")
def bad_40(q: str, db: Db, me: Me):
    conds = [Note.text == q]
    return db.query(Note).filter(*conds).all()
from fastcrud import FastCRUD
fast = FastCRUD[Note, NoteIn](Note)
@app.get("/42/{id}")
async def good_42(id: int, db: Db, me: Me): return await fast.get(db=db, id=id, user_id=me.id)
@app.delete("/43/{id}")
async def bad_43(id: int, db: Db, me: Me): await fast.delete(db=db, id=id)
@app.get("/41/count")
def good_41(db: Db, me: Me):
    return db.query(func.count(Note.id)).filter(Note.user_id == me.id).scalar()
"""

USER_ID_FROM_PATH = """from typing import Annotated
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import SQLModel, Field, Session, create_engine, select
app = FastAPI()
oauth = OAuth2PasswordBearer(tokenUrl="login")
engine = create_engine("sqlite://")
class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    hashed_password: str
    role: str = "user"
class Task(SQLModel, table=True):
    id: int = Field(primary_key=True)
    title: str
    user_id: int = Field(foreign_key="user.id")
def get_db():
    with Session(engine) as s: yield s
def me(token: str = Depends(oauth), db: Session = Depends(get_db)) -> User:
    u = db.get(User, token)
    if not u: raise HTTPException(401)
    return u
def match(user_id: int, u: User = Depends(me)):
    if u.id != user_id: raise HTTPException(403)
    return user_id
def by_request(request: Request, u: User = Depends(me)):
    if request.path_params["user_id"] != str(u.id): raise HTTPException(403)
Db = Annotated[Session, Depends(get_db)]
Me = Annotated[User, Depends(me)]
def tasks_of(db, uid): return db.exec(select(Task).where(Task.user_id == uid)).all()
def check_access(user, wanted):
    if user.id != wanted: raise HTTPException(403)
@app.get("/a/{user_id}/tasks")
def bad_1(user_id: int, db: Db, me: Me): return tasks_of(db, user_id)
@app.get("/b/{user_id}/tasks")
def good_2(user_id: int, db: Db, me: Me):
    if me.id != user_id: raise HTTPException(403)
    return tasks_of(db, user_id)
@app.get("/c/{user_id}/tasks")
def good_3(db: Db, user_id: int = Depends(match)): return tasks_of(db, user_id)
@app.get("/d/{user_id}/tasks", dependencies=[Depends(by_request)])
def good_4(user_id: int, db: Db): return tasks_of(db, user_id)
@app.get("/e/{user_id}/tasks")
def good_5(user_id: int, db: Db, me: Me):
    check_access(me, user_id)
    return tasks_of(db, user_id)
@app.delete("/f/{user_id}/tasks/{task_id}")
def bad_6(user_id: int, task_id: int, db: Db, me: Me):
    t = db.exec(select(Task).where(Task.id == task_id, Task.user_id == user_id)).first()
    db.delete(t); db.commit()
@app.get("/g/{user_id}/tasks")
def good_7(user_id: int, db: Db, me: Me): return tasks_of(db, me.id)
@app.put("/users/{user_id}")
def bad_8(user_id: int, db: Db, me: Me):
    u = db.get(User, user_id); u.hashed_password = "x"; db.commit()
@app.put("/users2/{user_id}")
def good_9(user_id: int, db: Db, me: Me):
    if me.id == user_id or me.role == "admin":
        u = db.get(User, user_id); u.hashed_password = "x"; db.commit()
@app.get("/h/tasks")
def bad_10(db: Db, me: Me, user_id: int | None = None):
    if user_id is None: user_id = me.id
    return tasks_of(db, user_id)
"""

ADMIN_ROUTE_OPEN_TO_USERS = """from typing import Annotated
from enum import Enum
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Header
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import SQLModel, Field, Session, create_engine, select
app = FastAPI()
oauth = OAuth2PasswordBearer(tokenUrl="login")
engine = create_engine("sqlite://")
class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    hashed_password: str
    role: str = "user"
class Product(SQLModel, table=True):
    id: int = Field(primary_key=True)
def get_db():
    with Session(engine) as s: yield s
def me(token: str = Depends(oauth), db: Session = Depends(get_db)) -> User:
    u = db.get(User, token)
    if not u: raise HTTPException(401)
    return u
class Role:
    def __init__(self, *roles): self.roles = roles
    def __call__(self, u: User = Depends(me)):
        if u.role not in self.roles: raise HTTPException(403)
        return u
def require_role(role: str):
    def dep(u: User = Depends(me)):
        if u.role != role: raise HTTPException(403)
        return u
    return dep
Db = Annotated[Session, Depends(get_db)]
Me = Annotated[User, Depends(me)]
@app.post("/products", dependencies=[Depends(Role("admin"))])
def good_1(db: Db): ...
@app.put("/products/{id}")
def good_2(id: int, db: Db, u: User = Depends(require_role("admin"))): ...
@app.delete("/products/{id}")
def bad_3(id: int, db: Db, u: Me): db.delete(db.get(Product, id))
@app.get("/admin/users")
def bad_4(db: Db, u: Me): return []
@app.get("/admin/stats", dependencies=[Depends(Role("admin"))])
def good_5(): ...
@app.get("/admin/me")
def good_6(u: Me): return u
@app.get("/admin/reports")
def good_7(u: Me):
    if u.role != "admin": raise HTTPException(403)
@app.post("/orders")
def good_8(u: Me): ...
@app.delete("/orders/{id}", dependencies=[Depends(Role("admin"))])
def good_9(id: int): ...
@app.get("/products/{id}")
def good_10(id: int, u: Me): ...
@app.post("/export", dependencies=[Depends(require_role)])
def bad_11(): ...
@app.post("/users/{id}/ban")
def good_12(id: int, u: User = Depends(Role("admin"))): ...
"""

MASS_ASSIGNMENT = """from typing import Annotated, Optional
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Form, Body, Header
from fastapi.security import OAuth2PasswordBearer
from sqlmodel import SQLModel, Field, Session, create_engine, select, Relationship
from pydantic import BaseModel
app = FastAPI()
oauth = OAuth2PasswordBearer(tokenUrl="login")
engine = create_engine("sqlite://")
class UserBase(SQLModel):
    email: str
    full_name: str | None = None
class User(UserBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    hashed_password: str
    is_superuser: bool = False
    is_active: bool = True
class UserCreate(UserBase):
    password: str
    is_superuser: bool = False
class UserRegister(UserBase):
    password: str
class UserUpdateMe(UserBase):
    is_superuser: Optional[bool] = None
class Item(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    owner_id: int = Field(foreign_key="user.id")
class ItemIn(BaseModel):
    title: str
    owner_id: int | None = None
class ItemCreate(BaseModel):
    title: str
def get_db():
    with Session(engine) as s: yield s
def current(token: str = Depends(oauth), db: Session = Depends(get_db)) -> User:
    u = db.get(User, token)
    if not u: raise HTTPException(401)
    return u
def superuser(u: User = Depends(current)):
    if not u.is_superuser: raise HTTPException(403)
    return u
Db = Annotated[Session, Depends(get_db)]
Me = Annotated[User, Depends(current)]
def create_user(session, user_create):
    obj = User.model_validate(user_create, update={"hashed_password": "x"})
    session.add(obj); session.commit(); return obj
def create_item(*, session: Session, item_in: ItemCreate, owner_id: int):
    item = Item.model_validate(item_in, update={"owner_id": owner_id})
    session.add(item); session.commit(); return item
@app.post("/1", dependencies=[Depends(superuser)])
def good_1(data: UserCreate, db: Db): return create_user(db, data)
@app.post("/2")
def good_2(data: UserRegister, db: Db):
    return create_user(db, UserCreate.model_validate(data))
@app.post("/3")
def bad_3(data: UserCreate, db: Db): return create_user(session=db, user_create=data)
@app.patch("/4")
def bad_4(data: UserUpdateMe, db: Db, me: Me):
    me.sqlmodel_update(data.model_dump(exclude_unset=True)); db.add(me); db.commit()
@app.post("/5")
def good_5(data: ItemCreate, db: Db, me: Me): return create_item(session=db, item_in=data, owner_id=me.id)
@app.post("/6")
def bad_6(data: ItemIn, db: Db, me: Me):
    item = Item(**data.dict()); db.add(item); db.commit()
@app.post("/7")
def good_7(data: ItemIn, db: Db, me: Me):
    item = Item(**data.dict()); item.owner_id = me.id; db.add(item); db.commit()
@app.post("/8")
def good_8(data: ItemIn, db: Db, me: Me):
    values = data.model_dump(); values["owner_id"] = me.id
    db.add(Item(**values))
@app.post("/9")
def good_9(data: ItemIn, db: Db, me: Me):
    db.add(Item(**{**data.model_dump(), "owner_id": me.id}))
@app.post("/10")
def bad_10(data: ItemIn, db: Db, me: Me):
    db.add(Item(title=data.title, owner_id=data.owner_id))
@app.post("/11")
def bad_11(item: Item, db: Db, me: Me):
    db.add(item); db.commit(); db.refresh(item); return item
@app.put("/12/{id}")
def good_12(id: int, data: ItemCreate, db: Db, me: Me):
    item = db.get(Item, id)
    for k, v in data.model_dump().items(): setattr(item, k, v)
@app.put("/13/{id}")
def bad_13(id: int, data: ItemIn, db: Db, me: Me):
    item = db.exec(select(Item).where(Item.id == id, Item.owner_id == me.id)).one()
    for k, v in data.model_dump(exclude_unset=True).items(): setattr(item, k, v)
    db.commit()
@app.put("/14")
def good_14(data: UserUpdateMe, db: Db, me: Me):
    values = data.model_dump(exclude_unset=True)
    values.pop("is_superuser", None)
    for k, v in values.items(): setattr(me, k, v)
@app.put("/15")
def good_15(data: UserUpdateMe, db: Db, me: Me):
    me.email = data.email
@app.put("/16")
def bad_16(data: UserUpdateMe, db: Db, me: Me):
    if data.is_superuser is not None:
        me.is_superuser = data.is_superuser
@app.post("/17")
def good_17(data: UserCreate, db: Db):
    user = User(email=data.email, hashed_password="x", is_superuser=False)
    db.add(user)
@app.post("/18")
def bad_18(db: Db, email: Annotated[str, Form()], is_superuser: Annotated[bool, Form()] = False):
    db.add(User(email=email, hashed_password="x", is_superuser=is_superuser))
@app.post("/19")
def good_19(data: ItemIn, db: Db, me: Me):
    if data.owner_id is not None and data.owner_id != me.id and not me.is_superuser:
        raise HTTPException(403)
    db.add(Item(**data.model_dump()))
"""

MISSING_AUTHENTICATION = """from typing import Annotated, Optional
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Header, Cookie, Security
from fastapi.security import OAuth2PasswordBearer, APIKeyHeader
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, Session, sessionmaker
import jwt, hmac
app = FastAPI()
oauth = OAuth2PasswordBearer(tokenUrl="login")
class Base(DeclarativeBase): ...
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    hashed_password: Mapped[str]
class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
class Product(Base):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
Local = sessionmaker()
def get_db():
    with Local() as db: yield db
def get_user(token: str = Depends(oauth), db: Session = Depends(get_db)) -> User:
    u = db.get(User, token)
    if not u: raise HTTPException(401)
    return u
def is_admin(u: User = Depends(get_user)):
    if u.id != 1: raise HTTPException(403)
Db = Annotated[Session, Depends(get_db)]
Me = Annotated[User, Depends(get_user)]
orders = APIRouter(prefix="/orders")
@orders.get("/")
def good_list(db: Db, me: Me): return db.scalars(select(Order).where(Order.user_id == me.id)).all()
@orders.post("/")
def good_create(db: Db, me: Me): db.add(Order(user_id=me.id)); db.commit()
@orders.patch("/{id}")
def bad_patch(id: int, db: Db):
    o = db.get(Order, id); o.user_id = 3; db.commit()
@orders.get("/{id}")
def bad_get(id: int, db: Db): return db.get(Order, id)
@orders.post("/{id}/pay")
def good_webhook(id: int, request: Request, db: Db):
    if not hmac.compare_digest(request.headers["x-sig"], "y"): raise HTTPException(400)
    db.get(Order, id); db.commit()
@orders.delete("/{id}")
def good_delete(id: int, db: Db, authorization: str = Header()):
    claims = jwt.decode(authorization, "k", ["HS256"])
    db.delete(db.get(Order, id)); db.commit()
app.include_router(orders)
safe = APIRouter(prefix="/carts")
@safe.post("/")
def good_cart(db: Db): db.add(Order(user_id=1)); db.commit()
@safe.put("/{id}")
def good_cart2(id: int, db: Db): db.get(Order, id); db.commit()
app.include_router(safe, dependencies=[Depends(get_user)])
products = APIRouter(prefix="/products")
@products.get("/")
def good_products(db: Db): return db.scalars(select(Product)).all()
@products.post("/", dependencies=[Depends(is_admin)])
def good_p1(db: Db): db.add(Product()); db.commit()
@products.put("/{id}", dependencies=[Depends(is_admin)])
def good_p2(id: int, db: Db): db.get(Product, id); db.commit()
@products.delete("/{id}")
def bad_p3(id: int, db: Db): db.delete(db.get(Product, id)); db.commit()
app.include_router(products)
@app.post("/auth/register")
def good_reg(db: Db): db.add(User()); db.commit()
@app.post("/auth/forgot-password")
def good_forgot(email: str, db: Db): db.commit()
@app.post("/feedback")
def good_feedback(text: str, db: Db): db.add(Product()); db.commit()
@app.get("/health")
def good_health(): return 1
"""

PROGRAMS = {
    "blocking-call-in-async": {
        "app/__init__.py": "",
        "app/main.py": BLOCKING_CALL_IN_ASYNC,
        "app/utils.py": UTILS,
        "app/services.py": SERVICES,
    },
    "sync-session-in-async-route": {
        "app/__init__.py": "",
        "app/db.py": DATABASE,
        "app/main.py": SYNC_SESSION_IN_ASYNC_ROUTE,
    },
    "shared-session": {
        "app/__init__.py": "",
        "app/db.py": DATABASE,
        "app/main.py": SHARED_SESSION,
    },
    "commit-after-response": {
        "app/__init__.py": "",
        "app/db.py": DATABASE,
        "app/main.py": COMMIT_AFTER_RESPONSE,
    },
    "connection-held-by-stream": {
        "app/__init__.py": "",
        "app/db.py": DATABASE,
        "app/main.py": CONNECTION_HELD_BY_STREAM,
    },
    "unscoped-query": {
        "main.py": UNSCOPED_QUERY,
    },
    "user-id-from-path": {
        "main.py": USER_ID_FROM_PATH,
    },
    "admin-route-open-to-users": {
        "main.py": ADMIN_ROUTE_OPEN_TO_USERS,
    },
    "mass-assignment": {
        "main.py": MASS_ASSIGNMENT,
    },
    "missing-authentication": {
        "main.py": MISSING_AUTHENTICATION,
    },
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_rule_tells_the_bad_routes_from_the_good_ones(name: str, tmp_path: Path) -> None:
    rule = next(rule for rule in all_rules() if rule.name == name)
    code = read(write(tmp_path, PROGRAMS[name]))
    names = {(one.route.method, one.route.path): one.route.name for one in code.handlers()}
    said = {
        names[where.method, where.path]
        for finding in rule(code)
        for where in (finding.where, *finding.related)
        if where.method is not None and where.path is not None
    }
    assert said == {one for one in names.values() if one.rpartition(".")[2].startswith("bad")}
