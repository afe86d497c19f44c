"""entries

Revision ID: 0002
Revises: 0001

"""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("entries") as batch_op:
        batch_op.create_index("ix_entries_owner_id", ["owner_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("entries") as batch_op:
        batch_op.drop_index("ix_entries_owner_id")
    op.drop_table("entries")
