import os
import shutil
import sys
from pathlib import Path

import pytest

from apiwright.errors import ApiwrightError
from apiwright.project import files
from apiwright.project.facts import NotSeen
from apiwright.project.load import load
from tests.project.projects import PROJECTS, served, write

MAIN = """from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def root():
    return {}
"""


def test_a_file_that_is_not_python_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": MAIN, "broken.py": "x = 1\ndef f(:\n"})
    project = load(tmp_path)
    assert served(project) == ["GET / none"]
    assert [one.what for one in project.not_seen] == ["broken.py"]
    assert project.not_seen[0].why.startswith("line 2 is not Python:")


@pytest.mark.parametrize(
    "newer",
    [
        "try:\n    pass\nexcept ValueError, TypeError:\n    pass\n",
        "type Names[T] = list[T]\n",
        "def first[T = int](them: list[T]) -> T:\n    return them[0]\n",
        "class Box[T: int]:\n    pass\n",
        'who = {"name": "Ada"}\nhello = f"{who["name"]}"\n',
        'hello = f"{\n    1 +\n    1\n}"\n',
        'name = "Ada"\nhello = t"{name}"\n',
    ],
)
def test_newer_python_than_the_running_one_is_read_line_by_line_the_same(
    tmp_path: Path, newer: str
) -> None:
    write(tmp_path, {"main.py": newer + MAIN})
    (route,) = load(tmp_path).routes
    assert route.at is not None
    assert route.at.line == newer.count("\n") + 7


def test_newer_annotated_aliases_are_followed(tmp_path: Path) -> None:
    text = """from typing import Annotated
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

type Token = Annotated[str, Depends(HTTPBearer())]
app = FastAPI()

@app.get("/")
def root(token: Token):
    return {}
"""
    assert served(load(write(tmp_path, {"main.py": text}))) == ["GET / login"]


@pytest.mark.parametrize(
    "content",
    [
        MAIN.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + MAIN.encode(),
        b"\xef\xbb\xbf" + MAIN.replace("\n", "\r\n").encode(),
        ("# -*- coding: latin-1 -*-\n# caf\xe9\n" + MAIN).encode("latin-1"),
        MAIN.rstrip().encode(),
        MAIN.replace("    ", "\t").encode(),
    ],
    ids=["CRLF", "BOM", "BOM and CRLF", "latin-1", "no last newline", "tabs"],
)
def test_every_way_of_storing_text_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "main.py").write_bytes(content)
    assert served(load(tmp_path)) == ["GET / none"]


def test_a_file_of_ten_thousand_lines_is_read(tmp_path: Path) -> None:
    routes = "".join(f'\n\n@app.get("/{n}")\ndef r{n}():\n    return {n}\n' for n in range(2_000))
    write(tmp_path, {"main.py": MAIN + routes})
    assert (MAIN + routes).count("\n") > 10_000
    assert len(load(tmp_path).routes) == 2_001


def test_links_are_not_followed_in_circles(tmp_path: Path) -> None:
    write(tmp_path, {"app/main.py": MAIN})
    (tmp_path / "app" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "app" / "itself.py").symlink_to(tmp_path / "app" / "itself.py")
    project = load(tmp_path)
    assert project.app.target == "app.main:app"
    assert [one.what for one in project.not_seen] == ["app/itself.py"]


def test_environments_and_other_peoples_code_are_left_out(tmp_path: Path) -> None:
    stray = MAIN.replace('"/"', '"/stray"')
    write(
        tmp_path,
        {
            "main.py": MAIN,
            ".venv/lib/x.py": stray,
            ".claude/skills/api/assets/app.py": stray,
            "backend/.claude/skills/api/assets/app.py": stray,
            "node_modules/x/app.py": stray,
            "committed/pyvenv.cfg": "",
            "committed/lib/app.py": stray,
            "old/site-packages/app.py": stray,
            "tests/test_app.py": stray,
        },
    )
    project = load(tmp_path)
    assert (served(project), project.other_apps) == (["GET / none"], ())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_what_is_no_ordinary_file_is_named_and_not_opened(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": MAIN})
    os.mkfifo(tmp_path / "waits.py")
    assert load(tmp_path).not_seen == (NotSeen("waits.py", "it is not an ordinary file"),)


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"main.py": MAIN, "secret.py": "x = 1\n"})
    read_bytes = Path.read_bytes

    def refusing(path: Path) -> bytes:  # root reads whatever its mode is
        if path.name == "secret.py":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    project = load(tmp_path)
    assert project.not_seen == (NotSeen("secret.py", "it cannot be read: Permission denied"),)
    assert served(project) == ["GET / none"]


def test_without_an_app_it_says_so(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": "import flask\n"})
    with pytest.raises(ApiwrightError, match=r"nothing there calls FastAPI\(…\)"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ApiwrightError, match="nowhere is not a folder"):
        load(tmp_path / "nowhere")


def test_reading_changes_nothing(tmp_path: Path) -> None:
    folder = shutil.copytree(PROJECTS / "versioned_async", tmp_path / "copy")
    before = {path: (folder / path).read_bytes() for path in files.paths(folder)}
    load(folder)
    assert {path: (folder / path).read_bytes() for path in files.paths(folder)} == before


def test_a_module_that_would_run_for_ages_is_given_up_and_said(tmp_path: Path) -> None:
    loops = "".join(f"{'    ' * n}for a{n} in many:\n" for n in range(4)) + "    " * 4 + "x = 1\n"
    write(tmp_path, {"main.py": MAIN, "ages.py": f"many = {list(range(150))}\n{loops}"})
    project = load(tmp_path)
    assert served(project) == ["GET / none"]
    assert project.not_seen == (
        NotSeen("part of the project", "it is too large to be followed to its end"),
    )


def test_an_expression_of_thousands_of_parts_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": MAIN, "long.py": "x = " + " + ".join(["'a'"] * 900) + "\n"})
    assert served(load(tmp_path)) == ["GET / none"]
