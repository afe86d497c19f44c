import json
from dataclasses import replace
from pathlib import Path

import pytest

from apiwright.checks.baseline import unknown, write
from apiwright.checks.findings import Finding, Where
from apiwright.errors import ApiwrightError

KNOWN = Finding("open-door", "high", "code", Where("app.py", 3, within="create"), "It is open.")


def moved(**where: str | int) -> Finding:
    return replace(KNOWN, where=replace(KNOWN.where, **where))  # type: ignore[arg-type]  # by name


def test_what_is_known_is_not_new_wherever_its_function_has_moved_to(tmp_path: Path) -> None:
    write(tmp_path / "known.json", [KNOWN])
    assert unknown(tmp_path / "known.json", [moved(line=80)]) == []


@pytest.mark.parametrize(
    "where", [{"within": "update"}, {"file": "other.py"}, {"path": "/x", "method": "GET"}]
)
def test_what_stands_elsewhere_is_new(tmp_path: Path, where: dict[str, str]) -> None:
    write(tmp_path / "known.json", [KNOWN])
    assert unknown(tmp_path / "known.json", [moved(**where)]) == [moved(**where)]


def test_one_more_of_a_kind_is_new(tmp_path: Path) -> None:
    write(tmp_path / "known.json", [KNOWN, moved(line=5)])
    assert unknown(tmp_path / "known.json", [KNOWN, KNOWN, moved(line=9)]) == [moved(line=9)]


def test_the_file_is_for_people_to_review(tmp_path: Path) -> None:
    write(tmp_path / "known.json", [KNOWN, moved(line=5)])
    assert json.loads((tmp_path / "known.json").read_text()) == {
        "findings": [
            {"rule": "open-door", "file": "app.py", "within": "create", "method": None,
             "path": None, "count": 2}
        ]
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "[]", '{"findings": [{"rule": "x"}]}', '{"findings": 3}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "known.json").write_text(text)
    with pytest.raises(ApiwrightError, match="is not a baseline"):
        unknown(tmp_path / "known.json", [])
