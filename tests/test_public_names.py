"""What other people's code imports from the kit: a change here is a change for them."""

import importlib
import inspect
import pkgutil
from types import ModuleType

from apiwright import kit

PUBLIC = {
    "adoption": ["adopt"],
    "conditional": ["Match", "install", "may_be_held"],
    "conflicts": ["conflict_of"],
    "agents": [
        "AgentSettings", "Asker", "Assistant", "DecidedRun", "Decision", "Event", "EventTable",
        "ItemTable", "ThreadTable", "ThreadTurn", "Turn", "events_after", "install", "tool",
    ],
    "chunks": ["Chunk", "split"],
    "database": [
        "AppDatabase", "CommitFailed", "Database", "install", "lifespan", "opened", "url_of",
    ],
    "docs": ["install"],
    "embedded": ["Account", "installed_binaries", "remove", "running"],
    "headers": ["header"],
    "embedded_index": ["EmbeddedIndex"],
    "embeddings": ["Embeddings"],
    "extraction": ["Unreadable", "main", "text_of"],
    "health": ["Health", "also_needs", "live", "ready", "router"],
    "idempotency": ["KeptAnswer", "install"],
    "identifiers": ["uuid7"],
    "instead": ["Call"],
    "jobs": ["Registry", "Schedule", "Task", "functions", "schedule", "task"],
    "knowledge": [
        "ChunkTable", "ContentTable", "DocumentTable", "Knowledge", "KnowledgeSearch",
        "KnowledgeSettings", "Passage", "State", "add", "forget_removed", "install", "opened",
        "progress", "rebuild", "replace", "schema",
    ],
    "limits": ["Attempts", "Limit", "Limits", "LoginAttempts", "LoginLimit", "install"],
    "loading": ["Loader", "loaders_of"],
    "logins": [
        "AnonymousSession", "SignedIn", "TokenIssuer", "UserSession", "claims_of", "install",
    ],
    "logs": ["configure", "install"],
    "migrations": ["config", "revise", "run"],
    "ordering": ["Order"],
    "pagination": [
        "InvalidCursor", "Page", "PageParams", "PageQuery", "decode_cursor", "encode_cursor",
    ],
    "passwords": ["NewPassword", "hash_password", "verify_and_upgrade", "verify_password"],
    "permissions": ["Requires", "check", "install", "public", "requires"],
    "pool": ["Pool"],
    "postgres_url": ["connect", "engine_of", "is_pooled"],
    "problems": [
        "Conflict", "FieldError", "Forbidden", "Invalid", "NotFound", "Problem", "ProblemDetails",
        "TooMany", "Unauthorized", "Unavailable", "install", "may_answer",
    ],
    "reading": ["only_reads"],
    "redaction": ["hide", "redacted", "redacted_text"],
    "rehearsal": ["fill", "main", "on_empty", "on_rows", "revise"],
    "row_security": ["by_table", "check", "create_roles", "protect", "unprotect", "wrong"],
    "safety": ["install"],
    "qdrant_index": ["QdrantIndex"],
    "schemas": ["Envelope", "NotBlank", "Text", "unset"],
    "search_index": [
        "EmbeddingFailed", "Encoder", "Hits", "Point", "Question", "SearchIndex", "Words", "floats",
    ],
    "server": ["Protocol"],
    "session": ["Enqueued", "Rows", "Scope", "Session"],
    "settings": ["Settings"],
    "sqlalchemy_session": ["sqlalchemy_session"],
    "statement": ["PageShape", "Shape", "become", "count_of", "page_of", "shape_of"],
    "tables": [
        "Account", "AccountLogin", "Audience", "Internal", "Owned", "OwnedLink", "Public", "Shared",
        "Timestamps", "audiences", "one_of", "stored",
    ],
    "telemetry": ["ids", "install", "redact"],
    "testing": ["empty_database", "temporary_database"],
    "tokens": [
        "AccessClaims", "AccessToken", "InvalidToken", "LoginTokens", "RefreshClaims", "Tokens",
    ],
    "web": ["install"],
    "static": ["serve"],
    "worker": ["Count", "DeadJob", "Queue", "do_all", "install", "opened", "schema", "work"],
}  # fmt: skip


def test_the_public_names_of_the_kit() -> None:
    found = {}
    for module in pkgutil.iter_modules(kit.__path__):
        imported = importlib.import_module(f"apiwright.kit.{module.name}")
        found[module.name] = sorted(
            name
            for name, value in vars(imported).items()
            if name.isidentifier()
            and not name.startswith("_")
            and is_defined_there(name, value, imported)
        )
    assert found == PUBLIC


def is_defined_there(name: str, value: object, module: ModuleType) -> bool:
    if inspect.isclass(value) or inspect.isfunction(value):
        return value.__module__ == module.__name__
    # annotated types and routers carry no module of their own
    is_public = type(value).__name__ in {"_AnnotatedAlias", "APIRouter"}
    return is_public and f"\n{name} = " in inspect.getsource(module)
