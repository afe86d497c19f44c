"""The wall: what Postgres is told, so that a request reaches its own user's rows only.

The statements are written into migrations, where they stay as they are; `check` compares what
the database holds with what this version of the kit expects.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from asyncpg import Connection
from sqlalchemy import Index, Table, UniqueConstraint

from apiwright.errors import ApiwrightError
from apiwright.kit.settings import Settings
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import (
    ACROSS_OWNERS,
    CURRENT_USER,
    USER_SETTING,
    Audience,
    OwnedLink,
    audiences,
    stored,
)

# From Postgres 16 on, who made a role is a member of it and yet may not take it on.
_MAY_TAKE_ON = (
    "CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END"
)


def create_roles(settings: Settings) -> list[str]:
    """SQL that makes the two roles of the app, where they are missing, and lets the one who
    migrates take them on. Not in a migration: roles belong to the server, not to a database, and
    a database that was moved comes without them."""
    statements = []
    for role in (settings.user_role, settings.system_role):
        statements += [
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
            f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}', {_MAY_TAKE_ON})"
            f" THEN GRANT {role} TO CURRENT_USER; END IF; END $$",
            f"GRANT USAGE ON SCHEMA public TO {role}",
        ]
    return statements


def protect(table: Table, settings: Settings) -> list[str]:
    """SQL that puts a new table behind row level security and grants what its audience may do."""
    model = audiences()[table.name]
    name = DIALECT.identifier_preparer.format_table(table)
    statements = [
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY system ON {name} TO {settings.system_role} USING (true)",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {settings.system_role}",
    ]
    if model.visible is not None:
        statements += [
            f"CREATE POLICY visible ON {name} TO {settings.user_role} USING ({model.visible})",
            f"GRANT {', '.join(_rights(model))} ON {name} TO {settings.user_role}",
        ]
    counted = table.autoincrement_column
    if counted is not None and not counted.foreign_keys and counted.identity is None:
        writers = [settings.system_role, *([settings.user_role] if model.writable else [])]
        sequence = f'"{table.name}_{counted.name}_seq"'
        statements.append(f"GRANT USAGE ON SEQUENCE {sequence} TO {', '.join(writers)}")
    return statements


def unprotect(table: Table, guards: Sequence[Mapping[str, Any]], settings: Settings) -> list[str]:
    """SQL that takes an existing table's guards away; `protect` gives it new ones."""
    name = DIALECT.identifier_preparer.format_table(table)
    policies = [guard["polname"] for guard in guards if guard["polname"] is not None]
    return [
        *(f'DROP POLICY "{policy}" ON {name}' for policy in policies),
        f"REVOKE ALL ON {name} FROM PUBLIC, {settings.user_role}, {settings.system_role}",
    ]


async def check(connection: Connection, settings: Settings) -> None:
    """Raises ApiwrightError unless the database holds the wall that `protect` builds, and the
    roles cannot climb over it."""
    for role in (settings.user_role, settings.system_role):
        await _check_role(connection, role)
    models = audiences()
    guards = by_table(await connection.fetch(GUARDS, settings.user_role))
    for name in models:
        _check_table(name, guards.get(name, []), settings)
    for name, found in guards.items():
        if name not in models and found[0]["rights"]:
            raise ApiwrightError(
                f"The role {settings.user_role!r} may use the table {name!r}, which no model"
                " declares, so that nothing says who may see its rows.",
                f"REVOKE ALL ON {name} FROM PUBLIC, {settings.user_role}; or write its model.",
            )
    owned = [name for name, model in models.items() if issubclass(model, OwnedLink)]
    across = await connection.fetch(_ACROSS_OWNERS, owned)
    meant = _keys_across_owners(owned) if across else set()  # seldom any, and slow to find
    for row in across:
        if row["kind"] == "foreign key" or row["index"] not in meant:
            raise ApiwrightError(
                f"The {row['kind']} {row['index']!r} of {row['relname']!r} leaves out the owner: it"
                " could refer to, or tell of, somebody else's row.",
                "Write a migration: `apiwright db revision -m 'owners in keys'`.",
            )
    for row in await connection.fetch(_VIEWS, settings.user_role):
        raise ApiwrightError(
            f"The view {row['relname']!r} shows requests what its owner sees, not what they may.",
            f"ALTER VIEW {row['relname']} SET (security_invoker = true); a materialized view is"
            f" for {settings.system_role} alone.",
        )
    unbound = await connection.fetch(
        _UNBOUND_FUNCTIONS, settings.user_role, settings.system_role, list(models)
    )
    for row in unbound:
        raise ApiwrightError(
            f"The function {row['function']} works as {row['owner']!r}, whom row level security"
            " does not bind, and requests may call it.",
            f"ALTER ROUTINE {row['function']} SECURITY INVOKER; or"
            f" REVOKE EXECUTE ON ROUTINE {row['function']} FROM PUBLIC, {settings.user_role}.",
        )


def _keys_across_owners(owned: list[str]) -> set[str]:
    """The unique constraints and indexes that are meant to be unique for everybody."""
    tables = stored().tables
    return {
        str(item.name)
        for name in owned
        for item in (*tables[name].constraints, *tables[name].indexes)
        if isinstance(item, UniqueConstraint | Index) and item.info.get(ACROSS_OWNERS)
    }


def by_table(guards: Iterable[Any]) -> dict[str, list[Mapping[str, Any]]]:
    """What GUARDS brought back, for each table."""
    tables: dict[str, list[Mapping[str, Any]]] = {}
    for guard in guards:
        tables.setdefault(guard["relname"], []).append(guard)
    return tables


def wrong(name: str, guards: Sequence[Mapping[str, Any]], settings: Settings) -> list[str]:
    """What of an existing table's guards is not as its model says: policies by their names."""
    model = audiences()[name]
    expected: dict[str, tuple[Any, ...]] = {"system": ([settings.system_role], True, "true")}
    if model.visible is not None:
        expected["visible"] = ([settings.user_role], True, _as_stored(model.visible))
    found = {
        guard["polname"]: (guard["roles"], guard["polpermissive"], guard["qual"])
        if guard["polcmd"] == "*" and guard["polwithcheck"] is None
        else ()
        for guard in guards
        if guard["polname"] is not None
    }
    differing = [f"policy {key}" for key in found | expected if found.get(key) != expected.get(key)]
    if not guards[0]["relrowsecurity"]:
        differing.insert(0, "row level security is off")
    rights = _rights(model)
    if set(guards[0]["rights"]) != set(rights):
        differing.append(f"{settings.user_role} may {', '.join(guards[0]['rights']) or 'nothing'}")
    return differing


def _rights(model: type[Audience]) -> list[str]:
    """What requests may do with a table."""
    if model.visible is None:
        return []
    return ["SELECT", "INSERT", "UPDATE", "DELETE"] if model.writable else ["SELECT"]


def _check_table(name: str, guards: Sequence[Mapping[str, Any]], settings: Settings) -> None:
    if not guards:
        raise ApiwrightError(f"The database has no table {name!r}.", "Run `apiwright db upgrade`.")
    if what := wrong(name, guards, settings):
        raise ApiwrightError(
            f"The table {name!r} is not guarded as its model says: {', '.join(what)}.",
            "Run `apiwright db upgrade`; if that changes nothing, write a migration:"
            " `apiwright db revision -m 'mend the guards'`.",
        )
    if guards[0]["owner"] in (settings.user_role, settings.system_role):
        raise ApiwrightError(
            f"The table {name!r} belongs to the role {guards[0]['owner']!r}, which policies do not"
            " bind for that reason.",
            f"As the one who migrates: ALTER TABLE {name} OWNER TO CURRENT_USER.",
        )


async def _check_role(connection: Connection, role: str) -> None:
    row = await connection.fetchrow(_ROLE, role)
    if row is None:
        raise ApiwrightError(f"The database has no role {role!r}.", "Run `apiwright db upgrade`.")
    if row["bypasses"] or row["climbs"]:
        raise ApiwrightError(
            f"The role {role!r} can get around row level security.",
            f"Make it plain: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS, and revoke every role"
            " it is a member of.",
        )
    if not row["ours"]:
        raise ApiwrightError(
            f"The database's login may not take on the role {role!r}.",
            f"As the one who migrates: GRANT {role} TO the login of DATABASE_URL.",
        )


def _as_stored(expression: str) -> str:
    """An audience's expression as Postgres writes it back."""
    user = f"(NULLIF(current_setting('{USER_SETTING}'::text, true), ''::text))::uuid"
    written = expression.replace(CURRENT_USER, user)
    return written if written == "true" else f"({written})"


_ROLE = f"""\
SELECT rolsuper OR rolbypassrls OR rolcreaterole AS bypasses,
    pg_has_role(session_user, oid, {_MAY_TAKE_ON}) AS ours,
    EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS climbs
FROM pg_roles r WHERE rolname = $1"""  # noqa: S608  # a constant

GUARDS = """\
SELECT c.relname, c.relrowsecurity, pg_get_userbyid(c.relowner) AS owner,
    p.polname, p.polpermissive, p.polcmd::text, p.polwithcheck,
    pg_get_expr(p.polqual, p.polrelid) AS qual,
    ARRAY(SELECT rolname::text FROM pg_roles WHERE oid = ANY (p.polroles)) AS roles,
    ARRAY(SELECT r FROM unnest(
        ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r
        WHERE has_table_privilege($1, c.oid, r) OR r <> ALL (ARRAY['DELETE', 'TRUNCATE', 'TRIGGER'])
            AND has_any_column_privilege($1, c.oid, r)) AS rights
FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'f')"""

_ACROSS_OWNERS = """\
SELECT k.conname AS index, child.relname, 'foreign key' AS kind
FROM pg_constraint k
JOIN pg_class child ON child.oid = k.conrelid
JOIN pg_class parent ON parent.oid = k.confrelid
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = 'owner_id'
WHERE k.contype = 'f' AND child.relnamespace = 'public'::regnamespace
    AND child.relname = ANY ($1::text[]) AND parent.relname = ANY ($1::text[])
    AND a.attnum <> ALL (k.conkey)
UNION ALL
SELECT i.relname, t.relname, 'unique index'
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'owner_id'
WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace
    AND t.relname = ANY ($1::text[]) AND a.attnum <> ALL (x.indkey)"""

_VIEWS = """\
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')
    AND has_table_privilege($1, oid, 'SELECT')
    AND NOT coalesce(reloptions @> ARRAY['security_invoker=true'], false)"""

# nobody calls the functions of triggers; those of an extension are as its author meant them
_UNBOUND_FUNCTIONS = """\
SELECT p.oid::regprocedure::text AS function, owner.rolname AS owner
FROM pg_proc p JOIN pg_roles owner ON owner.oid = p.proowner
WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
    AND has_function_privilege($1, p.oid, 'EXECUTE')
    AND (owner.rolbypassrls OR pg_has_role(owner.oid, $2, 'USAGE') OR EXISTS (
        SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace
            AND relname = ANY ($3::text[]) AND pg_has_role(owner.oid, relowner, 'USAGE')))
    AND NOT EXISTS (SELECT FROM pg_depend
        WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')"""
