"""documents"""

import sqlalchemy as sa
from alembic import op
from apiwright.kit import knowledge, worker

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

USER = "reference_app_user"
SYSTEM = "reference_app_system"
CURRENT_USER = "nullif(current_setting('apiwright.user_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "document",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "embedding", "indexed", "failed", name="state", native_enum=False),
            server_default="queued",
            nullable=False,
        ),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("passages", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("embedded", sa.Integer(), server_default=sa.text("0"), nullable=False),
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
        sa.CheckConstraint(
            "state IN ('queued', 'embedding', 'indexed', 'failed')", name=op.f("ck_document_state")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_document_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_document")),
    )
    op.execute("ALTER TABLE document ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON document TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON document TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON document TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON document TO {USER}")
    op.create_index(op.f("ix_document_id"), "document", ["id"])
    op.create_table(
        "chunk",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("heading", sa.String(300), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("embedded_by", sa.String(200), nullable=True),
        sa.Column("changed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "document_id"],
            ["document.owner_id", "document.id"],
            name=op.f("fk_chunk_owner_id_document_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_chunk_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_chunk")),
    )
    op.execute("ALTER TABLE chunk ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON chunk TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON chunk TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON chunk TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON chunk TO {USER}")
    op.create_index(op.f("ix_chunk_id"), "chunk", ["id"])
    op.create_index(op.f("ix_chunk_changed_id"), "chunk", ["changed", "id"])
    op.create_index(op.f("ix_chunk_owner_id_document_id"), "chunk", ["owner_id", "document_id"])
    op.create_table(
        "document_content",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner_id", "document_id"],
            ["document.owner_id", "document.id"],
            name=op.f("fk_document_content_owner_id_document_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_document_content_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "document_id", name=op.f("pk_document_content")),
    )
    op.execute("ALTER TABLE document_content ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON document_content TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON document_content TO {SYSTEM}")
    op.execute(
        f"CREATE POLICY visible ON document_content TO {USER} USING (owner_id = {CURRENT_USER})"
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON document_content TO {USER}")
    for statement in [*worker.schema(USER, SYSTEM), *knowledge.schema(SYSTEM)]:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA knowledge CASCADE")
    op.execute("DROP SCHEMA jobs CASCADE")
    op.drop_table("document_content")
    op.drop_index(op.f("ix_chunk_owner_id_document_id"), table_name="chunk")
    op.drop_index(op.f("ix_chunk_changed_id"), table_name="chunk")
    op.drop_index(op.f("ix_chunk_id"), table_name="chunk")
    op.drop_table("chunk")
    op.drop_index(op.f("ix_document_id"), table_name="document")
    op.drop_table("document")
