import json
import os
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from apiwright.errors import ApiwrightError
from apiwright.generators import new


def test_every_file_carries_the_new_name(tmp_path: Path) -> None:
    made = new.write("my-shop", tmp_path)
    assert made.folder == tmp_path / "my-shop"
    assert set(made.files) == {
        str(file.relative_to(made.folder)) for file in made.folder.rglob("*") if file.is_file()
    }
    assert {"app/main.py", ".env.example", ".gitignore", "README.md"} <= set(made.files)
    text = "\n".join((made.folder / file).read_text() for file in made.files)
    assert 'app_name: ClassVar[str] = "my_shop"' in text
    assert 'title="My Shop"' in text
    assert 'name = "my-shop"' in text
    assert "eference" not in text.replace("allow-direct-references", "")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "Shop", "1shop", "my shop", "my--shop", "-shop", "shop-", "../shop", "a/b"]
    + ["a\nb", "möbel", "x" * 41, "apiwright", "pg-shop", "pg", "fastapi", "sqlmodel"],
)
def test_a_bad_name_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(ApiwrightError) as refused:
        new.write(name, tmp_path)
    assert refused.value.todo
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", ["folder", "file", "dangling link"])
def test_what_exists_is_never_touched(tmp_path: Path, existing: str) -> None:
    shop = tmp_path / "shop"
    if existing == "folder":
        shop.mkdir()
    elif existing == "file":
        shop.write_text("mine")
    else:
        shop.symlink_to(tmp_path / "nowhere")
    before = shop.lstat()
    with pytest.raises(ApiwrightError, match="exists already"):
        new.write("shop", tmp_path)
    assert shop.lstat() == before
    assert list(tmp_path.iterdir()) == [shop]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """A process that may write files of 400 bytes at most fails midway, as on a full disk."""
    done = in_a_process(
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400));",
        tmp_path,
    )
    assert done.returncode == 2
    assert "could not be written: File too large" in done.stderr
    assert "Nothing was left behind" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_said() -> None:
    # root may write anywhere: so do it as somebody else, where he may enter
    become = "os.setgid(65534); os.setuid(65534);" if os.geteuid() == 0 else ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        done = in_a_process(become, folder)
        folder.chmod(0o755)
        assert list(folder.iterdir()) == []
    assert done.returncode == 2
    assert "could not be written: Permission denied" in done.stderr


def in_a_process(first: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    code = (
        "import os, sys; import apiwright.cli; from apiwright.generators import new;"
        "from importlib.metadata import requires; requires('apiwright');"
        f"{first} os.chdir({str(folder)!r}); sys.exit(apiwright.cli.main(['new', 'shop']))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "apiwright>=0.1.0,<0.2"),
        ({"url": "file:///src/apiwright", "dir_info": {}}, "apiwright @ file:///src/apiwright"),
        (
            {"url": "file:///tmp/apiwright-0.1.0-py3-none-any.whl", "archive_info": {}},
            "apiwright @ file:///tmp/apiwright-0.1.0-py3-none-any.whl",
        ),
        (
            {
                "url": "https://example.com/apiwright.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc123"},
            },
            "apiwright @ git+https://example.com/apiwright.git@abc123",
        ),
    ],
)
def test_the_new_project_depends_on_apiwright_as_it_was_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: dict[str, object] | None,
    expected: str,
) -> None:
    installed = tmp_path / "apiwright-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: apiwright\nVersion: 0.1.0\n")
    if source is not None:
        (installed / "direct_url.json").write_text(json.dumps(source))
    monkeypatch.setattr(Distribution, "from_name", lambda name: Distribution.at(installed))
    made = new.write("shop", tmp_path)
    assert made.requirement == expected
    pyproject = tomllib.loads((made.folder / "pyproject.toml").read_text())
    assert pyproject["project"]["dependencies"] == [expected]
    with_tools = expected.replace("apiwright", "apiwright[tools]", 1)
    assert with_tools in pyproject["project"]["optional-dependencies"]["dev"]
    allowed = pyproject["tool"]["hatch"].get("metadata", {}).get("allow-direct-references")
    assert allowed is (None if source is None else True)
