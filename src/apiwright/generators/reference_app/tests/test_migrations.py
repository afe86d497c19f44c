from alembic import command
from apiwright.kit.migrations import config
from apiwright.kit.testing import empty_database

from app.main import settings


def test_migrations_go_up_down_and_up_and_match_the_models() -> None:
    with empty_database(settings) as url:
        alembic = config(url)
        command.upgrade(alembic, "head")
        command.downgrade(alembic, "base")
        command.upgrade(alembic, "head")
        command.check(alembic)
