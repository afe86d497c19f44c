import json
from dataclasses import replace
from pathlib import Path

import pytest

from apiwright.cli import main
from apiwright.project.load import load
from apiwright.project.report import as_json, as_text
from tests.project.projects import PROJECTS

ROOT = Path(__file__).parents[2]


def test_the_text_has_a_line_for_each_route_and_says_that_it_was_only_read() -> None:
    text = as_text(load(PROJECTS / "routers_sync"))
    assert text.startswith("App      app.main:app  (app/main.py:9; it is the only one)\n")
    assert "Python   not asked: what follows is read from the files" in text
    assert "  DELETE /users/{user_id}  admin    app/routers/users.py:17 delete_user\n" in text
    assert "  Post  table posts  owned by author_id  (app/models.py:31)\n" in text
    assert "    author_id: Integer not null -> users.id\n" in text
    assert "session     sync app.database.get_db, 5 routes (app/database.py:13)" in text


def test_json_holds_the_same_facts_with_places_as_file_and_line() -> None:
    project = load(PROJECTS / "routers_sync")
    facts = as_json(replace(project, folder="."))
    assert isinstance(facts, dict)
    assert json.loads(json.dumps(facts)) == facts
    assert isinstance(facts["routes"], list)
    assert len(facts["routes"]) == len(project.routes)
    assert isinstance(facts["app"], dict)
    assert facts["app"]["at"] == "app/main.py:9"


def test_the_command_prints_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(PROJECTS / "single_file")
    assert main(["inspect", folder, "--static"]) == 0
    assert "Routes (5)" in capsys.readouterr().out
    assert main(["inspect", folder, "--static", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["routes"]) == 5


def test_the_command_names_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(tmp_path)]) == 2
    assert "There is no FastAPI app" in capsys.readouterr().err


def test_the_guide_shows_what_comes_out() -> None:
    guide = (ROOT / "docs" / "guides" / "inspect.md").read_text()
    assert f"```text\n{as_text(load(PROJECTS / 'routers_sync'))}```" in guide
