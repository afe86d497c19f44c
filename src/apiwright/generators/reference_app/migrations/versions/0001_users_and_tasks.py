"""users and tasks"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

USER, SYSTEM = "reference_app_user", "reference_app_system"
CURRENT_USER = "nullif(current_setting('apiwright.user_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
    )
    op.execute('ALTER TABLE "user" ENABLE ROW LEVEL SECURITY')
    op.execute(f'CREATE POLICY visible ON "user" TO {USER} USING (id = {CURRENT_USER})')
    op.execute(f'CREATE POLICY system ON "user" TO {SYSTEM} USING (true)')
    op.execute(f'GRANT SELECT ON "user" TO {USER}')
    op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "user" TO {SYSTEM}')

    op.create_table(
        "task",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), server_default=sa.text(CURRENT_USER), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.String(2000), nullable=True),
        sa.Column("done", sa.Boolean(), nullable=False),
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
            ["owner_id"], ["user.id"], name=op.f("fk_task_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_id"), "task", ["id"])
    op.execute("ALTER TABLE task ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY visible ON task TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"CREATE POLICY system ON task TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON task TO {USER}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON task TO {SYSTEM}")


def downgrade() -> None:
    op.drop_table("task")
    op.drop_table("user")
