"""projects, tasks, tags, templates"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

USER = "reference_app_user"
SYSTEM = "reference_app_system"
CURRENT_USER = "nullif(current_setting('apiwright.user_id', true), '')::uuid"


def upgrade() -> None:
    op.create_table(
        "template",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.String(2000), nullable=True),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template")),
        sa.UniqueConstraint("title", name=op.f("uq_template_title")),
    )
    op.execute("ALTER TABLE template ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON template TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON template TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON template TO {USER} USING ({CURRENT_USER} IS NOT NULL)")
    op.execute(f"GRANT SELECT ON template TO {USER}")
    op.execute(f'GRANT USAGE ON SEQUENCE "template_id_seq" TO {SYSTEM}')
    op.create_table(
        "project",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
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
            ["owner_id"], ["user.id"], name=op.f("fk_project_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_project")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_project_owner_id_name")),
    )
    op.execute("ALTER TABLE project ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON project TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON project TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON project TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON project TO {USER}")
    op.create_index(op.f("ix_project_id"), "project", ["id"])
    op.create_table(
        "tag",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(50), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_tag_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_tag")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_tag_owner_id_name")),
    )
    op.execute("ALTER TABLE tag ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON tag TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tag TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON tag TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tag TO {USER}")
    op.create_index(op.f("ix_tag_id"), "tag", ["id"])
    op.create_table(
        "task",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.String(2000), nullable=True),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
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
            ["owner_id", "project_id"],
            ["project.owner_id", "project.id"],
            name=op.f("fk_task_owner_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_task_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "id", name=op.f("pk_task")),
    )
    op.execute("ALTER TABLE task ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON task TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON task TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON task TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON task TO {USER}")
    op.create_index(op.f("ix_task_id"), "task", ["id"])
    op.create_index(op.f("ix_task_owner_id_project_id"), "task", ["owner_id", "project_id"])
    op.create_index(op.f("ix_task_owner_id_title_id"), "task", ["owner_id", "title", "id"])
    op.create_table(
        "tasktag",
        sa.Column(
            "owner_id",
            sa.Uuid(),
            server_default=sa.text(CURRENT_USER),
            nullable=False,
        ),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id", "tag_id"],
            ["tag.owner_id", "tag.id"],
            name=op.f("fk_tasktag_owner_id_tag_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id", "task_id"],
            ["task.owner_id", "task.id"],
            name=op.f("fk_tasktag_owner_id_task_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["user.id"], name=op.f("fk_tasktag_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("owner_id", "task_id", "tag_id", name=op.f("pk_tasktag")),
    )
    op.execute("ALTER TABLE tasktag ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY system ON tasktag TO {SYSTEM} USING (true)")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tasktag TO {SYSTEM}")
    op.execute(f"CREATE POLICY visible ON tasktag TO {USER} USING (owner_id = {CURRENT_USER})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tasktag TO {USER}")
    op.create_index(op.f("ix_tasktag_owner_id_tag_id"), "tasktag", ["owner_id", "tag_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_tasktag_owner_id_tag_id"), table_name="tasktag")
    op.drop_table("tasktag")
    op.drop_index(op.f("ix_task_owner_id_title_id"), table_name="task")
    op.drop_index(op.f("ix_task_owner_id_project_id"), table_name="task")
    op.drop_index(op.f("ix_task_id"), table_name="task")
    op.drop_table("task")
    op.drop_index(op.f("ix_tag_id"), table_name="tag")
    op.drop_table("tag")
    op.drop_index(op.f("ix_project_id"), table_name="project")
    op.drop_table("project")
    op.drop_table("template")
