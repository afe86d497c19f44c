"""threads"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

USER = "reference_app_user"
SYSTEM = "reference_app_system"
CURRENT_USER = "nullif(current_setting('apiwright.user_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "thread",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("busy_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pending", sa.String(), nullable=True),
        sa.Column("last_event", sa.Integer(), server_default="0", nullable=False),
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
            ["owner_id"], ["user.id"], name=op.f("fk_thread_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_thread")),
    )
    op.execute("ALTER TABLE thread ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON thread TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON thread TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON thread TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON thread TO {USER}")
    op.create_index(op.f("ix_thread_id"), "thread", ["id"])
    op.create_table(
        "thread_event",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "thread_id"],
            ["thread.owner_id", "thread.id"],
            name=op.f("fk_thread_event_owner_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_thread_event_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_thread_event")),
    )
    op.execute("ALTER TABLE thread_event ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON thread_event TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON thread_event TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON thread_event TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON thread_event TO {USER}")
    op.create_index(op.f("ix_thread_event_id"), "thread_event", ["id"])
    op.create_index(
        op.f("ix_thread_event_owner_id_thread_id"),
        "thread_event",
        ["owner_id", "thread_id"],
    )
    op.create_table(
        "thread_item",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("item", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "thread_id"],
            ["thread.owner_id", "thread.id"],
            name=op.f("fk_thread_item_owner_id_thread_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_thread_item_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_thread_item")),
    )
    op.execute("ALTER TABLE thread_item ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON thread_item TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON thread_item TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON thread_item TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON thread_item TO {USER}")
    op.create_index(op.f("ix_thread_item_id"), "thread_item", ["id"])
    op.create_index(
        op.f("ix_thread_item_owner_id_thread_id"),
        "thread_item",
        ["owner_id", "thread_id"],
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_thread_item_owner_id_thread_id"), table_name="thread_item")
    op.drop_index(op.f("ix_thread_item_id"), table_name="thread_item")
    op.drop_table("thread_item")
    op.drop_index(op.f("ix_thread_event_owner_id_thread_id"), table_name="thread_event")
    op.drop_index(op.f("ix_thread_event_id"), table_name="thread_event")
    op.drop_table("thread_event")
    op.drop_index(op.f("ix_thread_id"), table_name="thread")
    op.drop_table("thread")
