"""`apiwright add knowledge`, `add agent`, and `new --with`: the same files by either way."""

from pathlib import Path

import pytest

from apiwright.edit.apply import apply
from apiwright.edit.undo import undo, undoing
from apiwright.errors import Refused
from apiwright.generators import agent, knowledge, new
from tests.edit.conftest import tree

BOTH = {"knowledge": knowledge.plan, "agents": agent.plan}


def test_added_later_it_is_what_new_would_have_written(tmp_path: Path) -> None:
    with_both = new.write("shop", tmp_path, parts=BOTH).folder
    (tmp_path / "later").mkdir()
    later = new.write("shop", tmp_path / "later").folder
    before = tree(later)
    for plan in BOTH.values():
        planned = plan(later)
        assert not planned.blocked
        apply(planned, later)
        assert plan(later).is_empty
    made = tree(later)
    wanted = tree(with_both)
    for path in ("pyproject.toml",):  # what is to be installed, `add` says and does not write
        assert made.pop(path) != wanted.pop(path)
    assert {
        path: text for path, text in made.items() if not path.startswith(".apiwright")
    } == wanted
    for _ in BOTH:
        proposed = undoing(later)
        assert proposed is not None
        undo(proposed, later)
    assert tree(later) == before


def test_the_assistant_is_given_what_there_is(tmp_path: Path) -> None:
    bare = new.write("shop", tmp_path, bare=True, parts={"agents": agent.plan}).folder
    text = (bare / "app" / "agent.py").read_text()
    assert "TOOLS: list[FunctionTool] = []" in text
    (tmp_path / "more").mkdir()
    more = new.write("shop", tmp_path / "more", parts=BOTH).folder
    text = (more / "app" / "agent.py").read_text()
    assert "search_documents" in text
    assert "tool(task_service.create_task, needs_approval=True)" in text


def test_a_migration_follows_the_last_one(tmp_path: Path) -> None:
    shop = new.write("shop", tmp_path).folder
    folder = shop / "migrations" / "versions"
    (folder / "abc_mine.py").write_text('revision = "abc"\ndown_revision = "0002"\n')
    apply(knowledge.plan(shop), shop)
    (made,) = folder.glob("*documents.py")
    assert 'down_revision = "abc"' in made.read_text()
    assert "shop_user" in made.read_text()
    (folder / "def_mine.py").write_text('revision = "def"\ndown_revision = "0002"\n')
    with pytest.raises(Refused, match="last migrations"):
        agent.plan(shop)


def test_a_queue_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    shop = new.write("shop", tmp_path).folder
    folder = shop / "migrations" / "versions"
    text = 'revision = "abc"\ndown_revision = "0002"\nfor s in worker.schema("a", "b"): ...\n'
    (folder / "abc_jobs.py").write_text(text)
    apply(knowledge.plan(shop), shop)
    (made,) = folder.glob("*documents.py")
    assert "jobs" not in made.read_text()
    assert "worker" not in made.read_text()


def test_another_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    for plan in BOTH.values():
        with pytest.raises(Refused, match="apiwright new"):
            plan(tmp_path)
