"""accounts and entries"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision: str = "5d1c0b7a9e21"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sqlmodel.sql.sqltypes.AutoString(length=40), nullable=False),
        sa.Column("password_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_account_username"), "account", ["username"], unique=True)
    op.create_table(
        "entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sqlmodel.sql.sqltypes.AutoString(length=100), nullable=False),
        sa.Column("mood", sa.Enum("GOOD", "BAD", name="entry_mood"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_entry_account_id"), "entry", ["account_id"], unique=False)


def downgrade() -> None:
    op.drop_table("entry")
    op.drop_table("account")
    sa.Enum(name="entry_mood").drop(op.get_bind())
