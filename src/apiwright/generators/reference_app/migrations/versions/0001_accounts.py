"""accounts"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

USER = "reference_app_user"
SYSTEM = "reference_app_system"
CURRENT_USER = "nullif(current_setting('apiwright.user_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("role", sa.String(6), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint("role IN ('member', 'admin')", name=op.f("ck_user_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
    )
    op.execute('ALTER TABLE "user" ENABLE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY system ON "user" TO {SYSTEM} USING (true)')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "user" TO {SYSTEM}')
    op.execute(f'CREATE POLICY visible ON "user" TO {USER} USING (id = {CURRENT_USER})')
    op.execute(f'GRANT SELECT ON "user" TO {USER}')
    op.create_table(
        "idempotency_key",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_idempotency_key_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_key")),
    )
    op.execute("ALTER TABLE idempotency_key ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON idempotency_key TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO {SYSTEM}")
    op.execute(
        f"CREATE POLICY visible ON idempotency_key TO {USER} USING (owner_id = {CURRENT_USER})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_key TO {USER}")
    op.create_index(
        op.f("ix_idempotency_key_owner_id_created_at"),
        "idempotency_key",
        ["owner_id", "created_at"],
    )
    op.create_table(
        "login",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("user_agent", sa.String(400), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_login_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_login")),
    )
    op.execute("ALTER TABLE login ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON login TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON login TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON login TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON login TO {USER}")
    op.create_index(op.f("ix_login_id"), "login", ["id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_login_id"), table_name="login")
    op.drop_table("login")
    op.drop_index(op.f("ix_idempotency_key_owner_id_created_at"), table_name="idempotency_key")
    op.drop_table("idempotency_key")
    op.drop_table("user")
