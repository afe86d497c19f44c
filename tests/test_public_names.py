"""What other people's code imports from the kit: a change here is a change for them."""

import importlib
import inspect
import pkgutil

from apiwright import kit

PUBLIC = {
    "conditional": ["Match", "install"],
    "database": ["CommitFailed", "Database", "install", "lifespan", "opened", "url_of"],
    "docs": ["install"],
    "embedded": ["Account", "installed_binaries", "remove", "running"],
    "health": ["Health", "also_needs", "live", "ready", "router"],
    "idempotency": ["KeptAnswer", "install"],
    "identifiers": ["uuid7"],
    "limits": ["Attempts", "Limit", "Limits", "LoginAttempts", "LoginLimit", "install"],
    "loading": ["Loader", "loaders_of"],
    "logins": ["AnonymousSession", "TokenIssuer", "UserSession", "install"],
    "logs": ["configure", "install"],
    "migrations": ["config", "run"],
    "ordering": ["Order"],
    "pagination": [
        "InvalidCursor", "Page", "PageParams", "PageQuery", "decode_cursor", "encode_cursor",
    ],
    "passwords": ["NewPassword", "hash_password", "verify_password"],
    "pool": ["Pool"],
    "postgres_url": ["connect", "engine_of", "is_pooled"],
    "problems": [
        "Conflict", "FieldError", "Forbidden", "Invalid", "NotFound", "Problem", "ProblemDetails",
        "TooMany", "Unauthorized", "Unavailable", "install", "may_answer",
    ],
    "redaction": ["hide", "redacted", "redacted_text"],
    "row_security": ["by_table", "check", "create_roles", "protect", "unprotect", "wrong"],
    "safety": ["install"],
    "schemas": ["Envelope", "unset"],
    "session": ["Rows", "Scope", "Session"],
    "settings": ["Settings"],
    "sqlalchemy_session": ["sqlalchemy_session"],
    "statement": ["PageShape", "Shape", "become", "count_of", "page_of", "shape_of"],
    "tables": [
        "Account", "Audience", "Internal", "Owned", "OwnedLink", "Public", "Shared", "Timestamps",
        "audiences", "one_of", "stored",
    ],
    "telemetry": ["ids", "install", "redact"],
    "testing": ["empty_database", "temporary_database"],
    "tokens": ["AccessToken", "InvalidToken", "Tokens"],
}  # fmt: skip


def test_the_public_names_of_the_kit() -> None:
    found = {}
    for module in pkgutil.iter_modules(kit.__path__):
        names = vars(importlib.import_module(f"apiwright.kit.{module.name}"))
        found[module.name] = sorted(
            name
            for name, value in names.items()
            if name.isidentifier()
            and not name.startswith("_")
            and is_defined_there(value, f"apiwright.kit.{module.name}")
        )
    assert found == PUBLIC


def is_defined_there(value: object, module: str) -> bool:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__module__ == module
    # annotated types and routers carry no module of their own
    return type(value).__name__ in {"_AnnotatedAlias", "APIRouter"}
