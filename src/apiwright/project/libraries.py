"""What functions and methods of well-known packages give back, as far as rules need to know."""

from apiwright.project.values import Class, Const, Generic, Instance, Made, Outside, Value

SESSION = "sqlalchemy.orm.Session"
ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"
_SAME = {
    "apiwright.kit.logins.UserSession": "apiwright.kit.session.Session",
    "apiwright.kit.logins.AnonymousSession": "apiwright.kit.session.Session",
    "sqlmodel.Session": SESSION,
    "sqlmodel.orm.session.Session": SESSION,
    "sqlalchemy.orm.session.Session": SESSION,
    "sqlalchemy.orm.session.sessionmaker": "sqlalchemy.orm.sessionmaker",
    "sqlalchemy.orm.scoping.scoped_session": "sqlalchemy.orm.scoped_session",
    "sqlalchemy.orm.query.Query": "sqlalchemy.orm.Query",
    "sqlmodel.ext.asyncio.session.AsyncSession": ASYNC_SESSION,
    "sqlalchemy.engine.create_engine": "sqlalchemy.create_engine",
    "sqlalchemy.engine.Engine": "sqlalchemy.Engine",
    "sqlalchemy.engine.base.Engine": "sqlalchemy.Engine",
    "sqlalchemy.engine.Connection": "sqlalchemy.Connection",
    "sqlalchemy.engine.base.Connection": "sqlalchemy.Connection",
    "sqlmodel.create_engine": "sqlalchemy.create_engine",
    "fastapi.concurrency.run_in_threadpool": "starlette.concurrency.run_in_threadpool",
    "fastapi.background.BackgroundTasks": "fastapi.BackgroundTasks",
    "starlette.background.BackgroundTasks": "fastapi.BackgroundTasks",
    "starlette.background.BackgroundTask": "starlette.background.BackgroundTask",
    "starlette.requests.Request": "fastapi.Request",
    "fastapi.requests.Request": "fastapi.Request",
    "starlette.datastructures.UploadFile": "fastapi.UploadFile",
    "fastapi.datastructures.UploadFile": "fastapi.UploadFile",
    "starlette.exceptions.HTTPException": "fastapi.HTTPException",
    "fastapi.exceptions.HTTPException": "fastapi.HTTPException",
    "redis.client.Redis": "redis.Redis",
    "pymongo.mongo_client.MongoClient": "pymongo.MongoClient",
}  # fmt: skip
_SAME_MODULES = (
    ("fastapi.responses.", "starlette.responses."),
    ("sqlalchemy.future.", "sqlalchemy."),
    ("sqlalchemy.ext.asyncio.session.", "sqlalchemy.ext.asyncio."),
    ("sqlalchemy.ext.asyncio.engine.", "sqlalchemy.ext.asyncio."),
    ("sqlalchemy.sql.expression.", "sqlalchemy."),
    ("sqlalchemy.sql.functions.", "sqlalchemy.func."),
    ("sqlalchemy.sql.", "sqlalchemy."),
)
_FROM_SQLALCHEMY = ("select", "update", "delete", "insert", "text", "func", "and_", "or_", "col")
_MAKES: dict[str, str] = {
    "sqlalchemy.create_engine": "sqlalchemy.Engine",
    "sqlalchemy.ext.asyncio.create_async_engine": "sqlalchemy.ext.asyncio.AsyncEngine",
    "sqlalchemy.Engine.connect": "sqlalchemy.Connection",
    "sqlalchemy.Engine.begin": "sqlalchemy.Connection",
    "sqlalchemy.Engine.raw_connection": "sqlalchemy.Connection",
    "sqlalchemy.ext.asyncio.AsyncEngine.connect": "sqlalchemy.ext.asyncio.AsyncConnection",
    "sqlalchemy.ext.asyncio.AsyncEngine.begin": "sqlalchemy.ext.asyncio.AsyncConnection",
    "sqlalchemy.orm.Session.connection": "sqlalchemy.Connection",
    "redis.from_url": "redis.Redis",
    "redis.Redis.from_url": "redis.Redis",
    "redis.StrictRedis": "redis.Redis",
    "redis.asyncio.from_url": "redis.asyncio.Redis",
    "pathlib.Path.resolve": "pathlib.Path",
    "pathlib.Path.absolute": "pathlib.Path",
    "pathlib.Path.joinpath": "pathlib.Path",
    "pathlib.Path.cwd": "pathlib.Path",
    "pathlib.Path.home": "pathlib.Path",
    "pathlib.Path.expanduser": "pathlib.Path",
    "pathlib.Path.with_suffix": "pathlib.Path",
    "pwdlib.PasswordHash.recommended": "pwdlib.PasswordHash",
    "requests.session": "requests.Session",
    "sqlite3.connect": "sqlite3.Connection",
    "sqlite3.Connection.cursor": "sqlite3.Cursor",
    "sqlite3.Connection.execute": "sqlite3.Cursor",
}
_SESSION_MAKERS = {
    "sqlalchemy.orm.sessionmaker": SESSION,
    "sqlalchemy.orm.scoped_session": SESSION,
    "sqlalchemy.ext.asyncio.async_sessionmaker": ASYNC_SESSION,
    "sqlalchemy.ext.asyncio.async_scoped_session": ASYNC_SESSION,
}
KIT_SESSION = "apiwright.kit.session.Session"
KIT_UNSCOPED = "apiwright.kit.session.Session.unscoped()"
"""Without the owner that the kit's session adds."""
_SESSIONS = (
    SESSION, ASYNC_SESSION, "sqlalchemy.orm.scoped_session", KIT_SESSION, KIT_UNSCOPED,
)  # fmt: skip
_ONE = {"first", "one", "one_or_none", "scalar", "scalar_one", "scalar_one_or_none", "fetchone"}
_MANY = {"all", "fetchall", "unique", "partitions", "fetchmany"}
_PASSED_ON = {"execute", "exec", "scalars", "stream", "stream_scalars", "scalar"}
SELECTS = {"sqlalchemy.select", "sqlalchemy.update", "sqlalchemy.delete", "sqlalchemy.insert"}


def canonical(name: str) -> str:
    """One name for what can be imported from several modules."""
    if name in _SAME:
        return _SAME[name]
    for start, instead in _SAME_MODULES:
        if name.startswith(start):
            name = instead + name.removeprefix(start)
    if name.startswith("sqlmodel.") and name.split(".")[1] in _FROM_SQLALCHEMY:
        return "sqlalchemy." + name.removeprefix("sqlmodel.")
    return name


def made(name: str, arguments: tuple[Value, ...], keywords: dict[str, Value]) -> Value:
    """What a call gives; `name` is canonical. What is not known keeps the way it came in its name:
    "boto3.client()"."""
    if name in _MAKES:
        return Made(_MAKES[name])
    if name in _SESSION_MAKERS:
        cls = keywords.get("class_")
        if cls is None and len(arguments) > 1:
            cls = arguments[1]
        if name.endswith("scoped_session") and arguments and isinstance(arguments[0], Made):
            cls = next(iter(arguments[0].arguments), None)
        return Made(name, (cls if cls is not None else Outside(_SESSION_MAKERS[name]),))
    head, _, last = name.rpartition(".")
    if name in SELECTS or (last == "query" and head in _SESSIONS):
        return Made(f"{name}()", _models(arguments))
    if last in {"get", "get_one"} and head in _SESSIONS:
        found = next(iter(arguments), None) or keywords.get("entity")
        return Instance(found, {}) if isinstance(found, Class) else Made(f"{name}()")
    if last[:1].isupper() or name in {"str", "bytes", "int", "float", "dict"}:
        return Made(name)
    return Made(f"{name}()")


def called(
    receiver: Made, method: str, arguments: tuple[Value, ...], keywords: dict[str, Value]
) -> Value:
    """What a method of an instance gives."""
    name = f"{receiver.name}.{method}"
    if receiver.name in _SESSION_MAKERS and method == "begin":
        return Made("context", (opened(receiver),))
    if receiver.name == "dict" and method in {"get", "pop", "setdefault"} and receiver.arguments:
        return receiver.arguments[-1]
    if "sqlalchemy." in receiver.name and receiver.name.endswith("()") and receiver.arguments:
        first = receiver.arguments[0]
        if method in _ONE:
            return Instance(first, {}) if isinstance(first, Class) else Made(f"{name}()")
        if method in _MANY:
            return Made("list", (Instance(first, {}) if isinstance(first, Class) else first,))
        if method == "get" and isinstance(first, Class):
            return Instance(first, {})
        return Made(f"{name}()", receiver.arguments)
    if method in _PASSED_ON and receiver.name in _SESSIONS and arguments:
        statement = arguments[0]
        if isinstance(statement, Made):
            if method == "scalar":
                about = next(iter(statement.arguments), None)
                return Instance(about, {}) if isinstance(about, Class) else Made(f"{name}()")
            return Made(f"{name}()", statement.arguments)
    return made(name, arguments, keywords)


def opened(maker: Made) -> Value:
    """What an instance gives when it is called: the session of a sessionmaker."""
    if maker.name in _SESSION_MAKERS:
        cls = maker.arguments[0] if maker.arguments else Outside(_SESSION_MAKERS[maker.name])
        if isinstance(cls, Class):
            return Instance(cls, {})
        if isinstance(cls, Outside):
            return Made(canonical(cls.name))
        return Made(_SESSION_MAKERS[maker.name])
    return Made(f"{maker.name}()")


def entered(value: Value) -> Value:
    """What `with value as …` gives, of something outside of the project."""
    if isinstance(value, Made) and value.name == "context" and value.arguments:
        return value.arguments[0]
    return value


def item_of(value: Value) -> Value | None:
    """One of what is iterated over."""
    if isinstance(value, Made) and value.arguments:
        first = value.arguments[-1] if value.name == "dict" else value.arguments[0]
        if value.name in {"list", "generator", "context", "dict"}:
            return first
        if value.name.endswith("()") and "sqlalchemy." in value.name and isinstance(first, Class):
            return Instance(first, {})
    return None


def _models(arguments: tuple[Value, ...]) -> tuple[Value, ...]:
    """Those that a statement is about."""
    found = []
    for one in arguments:
        if isinstance(one, Generic):
            one = one.base
        if isinstance(one, Class):
            found.append(one)
    return tuple(found) or tuple(one for one in arguments[:1] if isinstance(one, Const | Made))
