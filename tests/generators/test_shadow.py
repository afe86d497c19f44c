"""A copy of a project, and what runs in it."""

import threading
from pathlib import Path

from apiwright.generators.shadow import Done, Place, shadow
from tests.generators.conftest import PYTHON, read


def test_secrets_and_environments_stay_behind(bare: Path) -> None:
    (bare / ".env").write_text("DATABASE_URL=postgresql://real\n")
    (bare / ".env.local").write_text("SECRET_KEY=real\n")
    (bare / ".venv").mkdir()
    (bare / ".venv/pyvenv.cfg").write_text("")
    with shadow(read(bare), Place(PYTHON, "postgresql://thrown-away")) as copy:
        names = {file.name for file in copy.folder.iterdir()}
        said = copy.run("-c", "import os; print(os.environ['DATABASE_URL'])").out
    assert {"app", "tests", "pyproject.toml", ".env.example"} <= names
    assert not {".env", ".env.local", ".venv"} & names
    assert said == "postgresql://thrown-away\n"
    assert not copy.folder.exists()


def test_what_takes_too_long_is_ended(bare: Path) -> None:
    with shadow(read(bare), Place(PYTHON, "")) as copy:
        done = copy.run("-c", "import time; time.sleep(60)", seconds=1)
    assert done == Done(None, "", "it took longer than 1 seconds")


def test_what_is_stopped_ends_at_once_and_nothing_starts_any_more(bare: Path) -> None:
    results: list[Done] = []
    with shadow(read(bare), Place(PYTHON, "")) as copy:
        ready = copy.folder / "ready"
        code = f"import time; open({str(ready)!r}, 'w').close(); time.sleep(60)"
        thread = threading.Thread(target=lambda: results.append(copy.run("-c", code)))
        thread.start()
        while not ready.exists():
            thread.join(0.02)
        copy.stop()
        thread.join(10)
        assert not thread.is_alive()
        assert copy.run("-c", "").status is None
    assert results[0].status != 0
