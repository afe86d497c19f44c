"""Values for an app's settings that let it be imported and lead nowhere."""

import ast
import re

from apiwright.project.environment import is_secret
from apiwright.project.facts import Place, Project, Setting

NOWHERE = "127.0.0.1:1"  # a port where nothing listens, on this machine
_TEXT = "apiwright-dummy-value-0123456789abcdef0123456789abcdef"  # long enough for a key
_DATABASE = re.compile(
    r"database|(^|_)(db|sql|sqlalchemy|postgres(ql)?|pg|mysql)($|_)", re.IGNORECASE
)


def of(project: Project, database: str | None) -> dict[str, str]:
    """For every setting that has no default. `database`: a URL for every database, instead of
    the default or of one that fits the example."""
    return {
        setting.key: value_of(setting, database)
        for setting in project.settings.keys
        if setting.required or _kit_needs(setting) or (database and _is_database(setting.key))
    }


def missing(name: str, database: str | None) -> tuple[str, str]:
    """For one that only running told of."""
    setting = Setting(name.upper(), None, None, True, None, Place("", 0))
    return name.upper(), value_of(setting, database)


def value_of(setting: Setting, database: str | None) -> str:
    key, kind, example = setting.key.upper(), setting.type or "str", setting.example
    if kind.startswith("Literal["):
        values = ast.literal_eval(kind.removeprefix("Literal"))
        return str(example if example in values else values[0])
    if "bool" in kind:
        return "false"
    if kind.startswith(("int", "Optional[int", "PositiveInt")) or key.endswith("PORT"):
        return "1"
    if kind.startswith("float"):
        return "1.0"
    if kind.lower().startswith(("list", "set", "tuple", "sequence")):
        return "[]"
    if kind.lower().startswith("dict"):
        return "{}"
    if "Email" in kind or key.endswith("EMAIL"):
        return "user@example.com"
    return _text(key, kind, example, database)


def _text(key: str, kind: str, example: str | None, database: str | None) -> str:
    if "Dsn" in kind or "Url" in kind or re.search(r"UR[LI]|DSN", key):
        if "Redis" in kind or "REDIS" in key:
            return f"redis://{NOWHERE}/0"
        if "Postgres" in kind or _is_database(key):
            scheme = (example or "").partition("://")[0]
            scheme = scheme if re.fullmatch(r"[\w+]+", scheme) else ""  # ${DB_SCHEME}
            if database and "Postgres" not in kind:
                return database
            if scheme.startswith("sqlite"):
                return f"{scheme}:///./scratch.db"
            return f"{scheme or 'postgresql'}://user:password@{NOWHERE}/dummy"
        if "AMQP" in key or "RABBIT" in key or "BROKER" in key:
            return f"amqp://{NOWHERE}//"
        return f"http://{NOWHERE}"
    if key.endswith(("HOST", "SERVER")):
        return "127.0.0.1"
    if key.endswith(("ALGORITHM", "ALG")):
        return "HS256"
    if key.endswith(("MINUTES", "SECONDS", "DAYS", "HOURS", "LIMIT", "SIZE", "TTL")):
        return "15"
    if example and not is_secret(key) and "://" not in example:
        return example
    return _TEXT


def _is_database(key: str) -> bool:
    return bool(_DATABASE.search(key)) and bool(re.search(r"UR[LI]|DSN", key, re.IGNORECASE))


def _kit_needs(setting: Setting) -> bool:
    """The kit refuses to guess in production, though these have defaults."""
    return setting.field in {"secret_key", "fastapi_env", "database_url"}
