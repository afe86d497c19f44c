"""The migration of a new table, written by the Alembic of the project and tried on its own kind of
database."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from apiwright.edit.plan import Change, Check, NewFile
from apiwright.errors import Refused
from apiwright.generators import house_migration, migration_by_hand
from apiwright.generators.migration_by_hand import Sibling
from apiwright.generators.shadow import Shadow, shadow
from tests.generators.strangers import MODEL, Stranger, planned


def written(stranger: Stranger, copy: Shadow) -> str:
    made = house_migration.write(stranger.project, copy, [MODEL], "add notes")
    assert made.change is not None
    assert isinstance(made.change.edit, NewFile)
    return made.change.edit.text


def checks(stranger: Stranger, copy: Shadow) -> dict[str, Check]:
    with shadow(stranger.project, stranger.place) as before:
        found = house_migration.checks(stranger.project, stranger.plan, before, copy)
        return {check.what: check for check in found}


@pytest.fixture
def diary_copy(diary: Stranger) -> Iterator[Shadow]:
    with shadow(diary.project, diary.place) as copy:
        copy.write(diary.plan.files)
        yield copy


@pytest.fixture
def shelf_copy(shelf: Stranger) -> Iterator[Shadow]:
    with shadow(shelf.project, shelf.place) as copy:
        copy.write(shelf.plan.files)
        yield copy


def test_it_is_named_and_counted_as_those_that_are_there(diary: Stranger, shelf: Stranger) -> None:
    assert diary.migration.path == "alembic/versions/0003_add_notes.py"
    assert re.fullmatch(r"migrations/versions/\d{4}_\d\d_\d\d_add_notes.py", shelf.migration.path)
    assert b'revision = "0003"\ndown_revision = "0002"\n' in (diary.migration.after or b"")
    assert b'down_revision: str | None = "5d1c0b7a9e21"\n' in (shelf.migration.after or b"")


def test_it_has_what_the_house_has(diary: Stranger, shelf: Stranger) -> None:
    sync, asynchronous = ((each.migration.after or b"").decode() for each in (diary, shelf))
    assert 'op.batch_alter_table("notes"' in sync
    assert "batch" not in asynchronous
    assert "\nimport sqlmodel\n" in asynchronous
    assert 'sa.Column("title", sqlmodel.sql.sqltypes.AutoString(length=100)' in asynchronous
    assert 'sa.Enum(name="note_mood").drop(op.get_bind(), checkfirst=True)' in asynchronous
    assert "please adjust" not in sync + asynchronous


def test_it_goes_up_and_down_on_postgres(shelf: Stranger, shelf_copy: Shadow) -> None:
    found = checks(shelf, shelf_copy)
    assert [check for check in found.values() if not check.passed] == []
    assert len(found) == 3


def test_without_the_end_of_its_enum_it_does_not_come_up_again(
    shelf: Stranger, shelf_copy: Shadow
) -> None:
    path = shelf_copy.folder / shelf.migration.path
    path.write_text(re.sub(r"\n    sa\.Enum\(name=.*", "", path.read_text()))
    assert (
        "already exists"
        in checks(shelf, shelf_copy)[
            "the migration of note goes up, down and up on an empty database"
        ].detail
    )


def test_where_models_and_migrations_differ_already_is_left_alone(
    diary: Stranger, diary_copy: Shadow
) -> None:
    entry = diary_copy.folder / "app/models/entry.py"
    entry.write_text(entry.read_text() + "    mood: Mapped[str | None]\n")
    found = checks(diary, diary_copy)["what the migration makes is what the model says"]
    assert found == Check(found.what, True, "of other tables it would change entries")
    (diary_copy.folder / diary.migration.path).unlink()
    text = written(diary, diary_copy)
    assert "mood" not in text
    assert "entries" not in text


def test_a_model_that_env_py_does_not_know_is_seen(diary: Stranger, diary_copy: Shadow) -> None:
    package = diary_copy.folder / "app/models/__init__.py"
    package.write_text(package.read_text().replace("from app.models.note import Note\n", ""))
    found = checks(diary, diary_copy)["what the migration makes is what the model says"]
    assert found.passed is False
    assert "notes: DropIndexOp" in found.detail


def test_migrations_that_never_ran_on_an_empty_database_are_gone_around(
    diary: Stranger, diary_copy: Shadow
) -> None:
    first = diary_copy.folder / "alembic/versions/0001_users.py"
    first.write_text(first.read_text().replace("op.create_table(", "op.add_column('x',", 1))
    found = checks(diary, diary_copy)
    assert [check for check in found.values() if not check.passed] == []
    detail = found["the migration of notes goes up, down and up on an empty database"].detail
    assert detail.startswith("the migrations before it do not run on an empty database")


def test_without_a_database_it_is_written_and_not_verified(shelf: Stranger) -> None:
    place = replace(shelf.place, server="")
    with shadow(shelf.project, place) as copy:
        copy.write(planned(Path(shelf.project.folder), list(shelf.changes)).files)
        text = written(shelf, copy)
        copy.write([shelf.migration])
        found = checks(replace(shelf, place=place), copy)
    assert 'sa.Enum("GOOD", "BAD", name="note_mood")' in text
    assert {check.passed for check in found.values()} == {None}
    assert "there is no Postgres to try it on" in next(iter(found.values())).detail


def test_several_heads_are_refused(diary: Stranger, diary_copy: Shadow) -> None:
    assert diary.project.migrations is not None
    two = replace(diary.project.migrations, heads=("0002", "0002b"))
    with pytest.raises(Refused, match="2 heads: 0002, 0002b"):
        house_migration.write(
            replace(diary.project, migrations=two), diary_copy, [MODEL], "add notes"
        )


def test_where_the_app_makes_its_tables_nothing_is_written(
    diary: Stranger, diary_copy: Shadow
) -> None:
    project = replace(diary.project, migrations=None, create_all=(diary.project.app.at,))
    made = house_migration.write(project, diary_copy, [MODEL], "add notes")
    assert made.change is None
    assert "the app makes the table when it starts" in made.note


def test_an_alembic_that_does_not_work_is_refused_in_its_words(
    diary: Stranger, diary_copy: Shadow
) -> None:
    env = diary_copy.folder / "alembic/env.py"
    env.write_text("import nothing_like_this\n" + env.read_text())
    with pytest.raises(Refused, match="No module named 'nothing_like_this'"):
        house_migration.write(diary.project, diary_copy, [MODEL], "add notes")


def by_hand(stranger: Stranger, copy: Shadow) -> tuple[str, str]:
    found = stranger.project.migrations
    assert found is not None
    entry = next(model for model in stranger.project.models if model.name == "Entry")
    assert stranger.wanted.resource is not None
    own = {"title", "body", "mood"}
    sibling = Sibling(
        entry.table or "",
        tuple(column.name for column in entry.columns if column.name not in own),
        tuple(own),
    )
    folder = copy.folder / found.folder
    (folder / PurePosixPath(stranger.migration.path).name).unlink()
    table = "notes" if entry.table == "entries" else "note"
    made = migration_by_hand.write(
        folder, found.heads[0], None, table, stranger.wanted.resource, sibling, "add notes"
    )
    assert made is not None
    (folder / made[0]).write_text(made[1])
    return f"{found.folder}/{made[0]}", made[1]


def test_by_hand_it_is_what_alembic_would_have_written(diary: Stranger, diary_copy: Shadow) -> None:
    path, text = by_hand(diary, diary_copy)
    assert path.endswith("_add_notes.py")
    plan = planned(Path(diary.project.folder), [*diary.changes, Change(path, NewFile(text))])
    with shadow(diary.project, diary.place) as before:
        found = list(house_migration.checks(diary.project, plan, before, diary_copy))
    assert [check for check in found if not check.passed] == []
    assert len(found) == 3


def test_by_hand_it_follows_the_siblings_file(shelf: Stranger, shelf_copy: Shadow) -> None:
    path, text = by_hand(shelf, shelf_copy)
    assert re.search(r"/\d{4}_\d\d_\d\d_add_notes.py$", path)
    assert 'sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE")' in text
    assert """op.create_index(op.f('ix_note_account_id'), "note", ['account_id']""" in text
    assert 'down_revision: str | None = "5d1c0b7a9e21"' in text


def test_where_alembic_does_not_work_here_it_is_written_by_hand_and_not_verified(
    diary: Stranger,
) -> None:
    with shadow(diary.project, diary.place) as copy, shadow(diary.project, diary.place) as before:
        for each in (copy, before):
            env = each.folder / "alembic/env.py"
            env.write_text("import nothing_like_this\n" + env.read_text())
        made = house_migration.write(
            diary.project, copy, [MODEL], "add notes", by_hand=lambda *_: ("x_add_notes.py", "x")
        )
        assert made.change is not None
        assert "No module named 'nothing_like_this'" in made.note
        copy.write(diary.plan.files)
        found = list(house_migration.checks(diary.project, diary.plan, before, copy))
    assert {check.passed for check in found} == {None}
