"""The wall: what Postgres is told, so that a request reaches its own user's rows only.

The statements are written into migrations, where they stay as they are; `check` compares what
the database holds with what this version of the kit expects.
"""

from asyncpg import Connection
from sqlalchemy import Table
from sqlmodel import SQLModel

from apiwright.errors import ApiwrightError
from apiwright.kit.settings import Settings
from apiwright.kit.statement import DIALECT
from apiwright.kit.tables import CURRENT_USER, USER_SETTING, Account, Owned


def create_roles(settings: Settings) -> list[str]:
    """SQL that makes the two roles of the app, where they are missing, and lets the one who
    migrates take them on. Not in a migration: roles belong to the server, not to a database, and
    a database that was moved comes without them."""
    statements = []
    for role in (settings.user_role, settings.system_role):
        statements += [
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
            f"DO $$ BEGIN IF NOT pg_has_role(current_user, '{role}', 'MEMBER')"
            f" THEN GRANT {role} TO CURRENT_USER; END IF; END $$",
            f"GRANT USAGE ON SCHEMA public TO {role}",
        ]
    return statements


def protect(table: Table, settings: Settings) -> list[str]:
    """SQL that puts a new table behind row level security and grants what its audience may do."""
    model = models()[table]
    name = DIALECT.identifier_preparer.format_table(table)
    rights = "SELECT" if issubclass(model, Account) else "SELECT, INSERT, UPDATE, DELETE"
    return [
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY owner ON {name} TO {settings.user_role}"
        f" USING ({model.owner_column} = {CURRENT_USER})",
        f"CREATE POLICY system ON {name} TO {settings.system_role} USING (true)",
        f"GRANT {rights} ON {name} TO {settings.user_role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {settings.system_role}",
    ]


def models() -> dict[Table, type[Account | Owned]]:
    """Every table of the project and its model. Raises ApiwrightError for a table that does not
    say who may see it."""
    found: dict[Table, type[Account | Owned]] = {}
    for mapper in SQLModel._sa_registry.mappers:
        model = mapper.class_
        if not issubclass(model, Account | Owned):
            raise ApiwrightError(
                f"The table of {model.__name__} does not say who may see it.",
                f"Let it inherit from Owned: `class {model.__name__}(Owned, table=True)`.",
            )
        assert isinstance(mapper.local_table, Table)
        found[mapper.local_table] = model
    return found


async def check(connection: Connection, settings: Settings) -> None:
    """Raises ApiwrightError unless the database holds the wall that `protect` builds, and the
    roles cannot climb over it."""
    for role in (settings.user_role, settings.system_role):
        await _check_role(connection, role)
    for table, model in models().items():
        rows = await connection.fetch(_POLICIES, table.name)
        if not rows:
            raise ApiwrightError(
                f"The database has no table {table.name!r}.", "Run `apiwright db upgrade`."
            )
        secured = rows[0]["relrowsecurity"]
        found = {row["polname"]: (row["roles"], row["permissive"], row["qual"]) for row in rows}
        expected = {
            "owner": ([settings.user_role], True, f"({model.owner_column} = {_CURRENT_USER})"),
            "system": ([settings.system_role], True, "true"),
        }
        if not secured or found != expected:
            raise ApiwrightError(
                f"Row level security of the table {table.name!r} is off, or is not what its"
                f" model says: {found if secured else 'it is off'}.",
                "Run `apiwright db upgrade`; if that changes nothing, write a migration with the"
                " statements in docs/kit/row_security.md.",
            )


async def _check_role(connection: Connection, role: str) -> None:
    row = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls AS bypasses, rolcanlogin,"
        " pg_has_role(session_user, oid, 'MEMBER') AS ours,"
        " EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS climbs"
        " FROM pg_roles r WHERE rolname = $1",
        role,
    )
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


_CURRENT_USER = f"(NULLIF(current_setting('{USER_SETTING}'::text, true), ''::text))::uuid"
"""CURRENT_USER as Postgres writes it back."""

_POLICIES = """\
SELECT c.relrowsecurity, p.polname, p.polpermissive AS permissive,
    ARRAY(SELECT rolname::text FROM pg_roles WHERE oid = ANY (p.polroles)) AS roles,
    pg_get_expr(p.polqual, p.polrelid) AS qual
FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid
WHERE c.oid = to_regclass(format('public.%I', $1::text))"""
