from pathlib import Path

import pytest

from apiwright.checks.configuration import Configuration, read
from apiwright.errors import ApiwrightError


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_what_the_project_says_is_read(tmp_path: Path) -> None:
    text = '[tool.apiwright]\ndisable = ["missing-index"]\nexclude = ["scripts/*"]\n'
    configuration = read(written(tmp_path, text + 'fail-on = "low"\n'))
    assert configuration == Configuration(("missing-index",), ("scripts/*",), "low")
    assert configuration.excludes("scripts/fill.py")
    assert not configuration.excludes("app/scripts/fill.py")
    assert not configuration.excludes(None)


@pytest.mark.parametrize("text", [None, "", "[tool.ruff]\n"])
def test_a_project_need_not_say_anything(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        written(tmp_path, text)
    assert read(tmp_path) == Configuration()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.apiwright]\ndisabled = []\n", "it has disabled"),
        ("[tool.apiwright]\ndisable = 'missing-index'\n", "disable is 'missing-index'"),
        ("[tool.apiwright]\nexclude = [1]\n", r"exclude is \[1\]"),
        ("[tool.apiwright]\nfail-on = 'worst'\n", "fail-on is 'worst'"),
        ("[tool.apiwright\n", "cannot be read"),
    ],
)
def test_what_would_quietly_do_nothing_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ApiwrightError, match=said):
        read(written(tmp_path, text))
