"""The whole of `apiwright check`, without the running app."""

import json
import re
from pathlib import Path

import pytest

from apiwright.checks.check import Checked, check
from apiwright.checks.rule import Check, all_rules
from apiwright.cli import main
from apiwright.errors import ApiwrightError
from apiwright.project.code import Code
from tests.project.projects import write

ROOT = Path(__file__).parents[2]
RULE = "cors-any-origin-with-credentials"
LINE = 'app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)'
APP = f"""
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
{LINE}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", {"app/__init__.py": "", "app/main.py": APP})


def checked(folder: Path, **options: object) -> Checked:
    return check(folder, static=True, only=[RULE], **options)  # type: ignore[arg-type]  # by name


def found(folder: Path, **options: object) -> list[str]:
    return [str(one.where) for one in checked(folder, **options).report.findings]


def test_a_finding_has_its_place_and_its_line(project: Path) -> None:
    (one,) = checked(project).report.findings
    assert (one.where.file, one.where.line) == ("app/main.py", 6)
    assert one.evidence == LINE


def test_what_was_not_run_is_said(project: Path) -> None:
    report = checked(project).report
    assert "the running app" in [one.what for one in report.not_analysed]
    assert report.checked["files"] == 2
    assert report.checked["rules"] == 1


def test_a_finding_with_a_reason_beside_it_is_allowed(project: Path) -> None:
    reasoned = f"# apiwright: allow {RULE}, because it is a toy\n{LINE}"
    write(project, {"app/main.py": APP.replace(LINE, reasoned)})
    assert found(project) == []


def test_a_comment_without_a_reason_allows_nothing(project: Path) -> None:
    write(project, {"app/main.py": APP.replace(LINE, f"{LINE}  # apiwright: allow {RULE}")})
    report = checked(project).report
    assert len(report.findings) == 1
    assert any("without saying why" in one.why for one in report.not_analysed)


def test_the_project_says_what_does_not_run_and_what_is_left_out(project: Path) -> None:
    write(project, {"pyproject.toml": f'[tool.apiwright]\ndisable = ["{RULE}"]\n'})
    assert found(project) == []
    write(project, {"pyproject.toml": '[tool.apiwright]\nexclude = ["app/*"]\n'})
    assert found(project) == []


def test_a_baseline_is_written_and_then_kept_to(project: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "known.json"
    assert found(project, baseline=baseline) == []
    write(project, {"app/main.py": "\n\n" + APP})
    report = checked(project, baseline=baseline).report
    assert report.findings == ()
    assert report.checked["in the baseline"] == 1
    write(project, {"app/main.py": APP + LINE + "\n"})
    assert found(project, baseline=baseline) == ["app/main.py:7"]


@pytest.mark.parametrize(
    ("fail_on", "configured", "fails"),
    [
        (None, "", False),
        ("medium", "", True),
        ("low", "", True),
        (None, '[tool.apiwright]\nfail-on = "medium"\n', True),
        ("high", '[tool.apiwright]\nfail-on = "medium"\n', False),
    ],
)
def test_it_fails_for_what_is_bad_enough(
    project: Path, fail_on: str | None, configured: str, fails: bool
) -> None:
    write(project, {"pyproject.toml": configured})
    assert checked(project, fail_on=fail_on).fails is fails


@pytest.mark.parametrize("written", ["", '[tool.apiwright]\ndisable = ["cors-any-origin"]\n'])
def test_a_name_that_there_is_not_is_an_error_that_names_the_nearest(
    project: Path, written: str
) -> None:
    write(project, {"pyproject.toml": written})
    with pytest.raises(ApiwrightError, match=RULE):
        check(project, static=True, only=[] if written else ["cors-any-origin"])


def test_a_rule_that_fails_does_not_take_the_others_with_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(code: Code) -> list[object]:
        raise ZeroDivisionError("oh")

    failing.__module__ = "apiwright.checks.rules.failing"
    broken = Check(failing, "low", "code", ())  # type: ignore[arg-type]  # it gives nothing
    monkeypatch.setattr("apiwright.checks.check.all_rules", lambda: (broken, *all_rules()))
    report = check(project, static=True).report
    assert RULE in [one.rule for one in report.findings]
    assert ("what failing looks for", "it failed, which is our mistake: ZeroDivisionError: oh") in [
        (one.what, one.why) for one in report.not_analysed
    ]


# the command line


def test_the_command_prints_json_and_exits_with_one_for_findings(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", str(project), "--static", "--only", RULE, "--format", "json"]
    assert main(command) == 0
    assert main([*command, "--fail-on", "medium"]) == 1
    document = json.loads(capsys.readouterr().out.split("}\n{")[0] + "}")
    (one,) = document["findings"]
    assert list(one) == [
        "rule", "severity", "proof", "file", "line", "method", "path", "message", "evidence",
        "curl", "related",
    ]  # fmt: skip
    assert set(document) == {"findings", "not_analysed", "checked", "notes"}


@pytest.mark.parametrize(
    ("kind", "holds"), [("text", f"MEDIUM  {RULE}"), ("json", RULE), ("sarif", RULE)]
)
def test_a_report_goes_to_a_file(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, holds: str
) -> None:
    output = str(tmp_path / "report")
    assert main(["check", str(project), "--static", "--format", kind, "--output", output]) == 0
    assert holds in (tmp_path / "report").read_text()
    assert capsys.readouterr().out == ""


def test_a_python_that_is_not_there_ends_the_check(project: Path) -> None:
    with pytest.raises(ApiwrightError, match="no Python"):
        check(project, python=Path("/nowhere/python"))


def test_a_baseline_that_cannot_be_written_is_said(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ApiwrightError, match="cannot be written"):
        checked(project, baseline=tmp_path / "nowhere" / "known.json")


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\napiwright = 3"])
def test_a_pyproject_of_another_shape_is_no_crash(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    if "apiwright" in text:
        with pytest.raises(ApiwrightError, match="no table"):
            checked(project)
    else:
        assert found(project)


def test_a_reason_may_follow_another_comment(project: Path) -> None:
    main_ = project / "app" / "main.py"
    reason = f"  # noqa: E501  # apiwright: allow {RULE}, because it is a test"
    main_.write_text(APP.replace(LINE, LINE + reason))
    assert found(project) == []


def test_what_could_not_run_exits_with_two(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "nowhere")]) == 2
    write(tmp_path, {"empty/main.py": "x = 1\n"})
    assert main(["check", str(tmp_path / "empty")]) == 2
    assert main(["check", str(project), "--static", "--only", "nothing"]) == 2
    output = str(tmp_path / "no" / "report")
    assert main(["check", str(project), "--static", "--output", output]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_rule_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", RULE]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"# {RULE}\n\nAny website may call")
    for part in ("## What it finds", "## Why it matters", "## References", "```python"):
        assert part in said
    assert main(["explain", "nothing"]) == 2


def test_it_says_what_it_is_doing(project: Path) -> None:
    said: list[str] = []
    check(project, static=True, only=[RULE], say=said.append)
    assert said[0] == "Reading the project"
    assert f"Rule 1 of 1: {RULE}" in said


def test_the_guide_shows_what_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    guide = (ROOT / "docs" / "guides" / "check.md").read_text()
    files = re.findall(r"^```python\n# (app/\w+\.py)\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    main(["check", str(write(tmp_path, dict(files))), "--static"])
    said = capsys.readouterr().out
    assert re.sub(r"\d+ rules", "", f"```text\n{said}```") in re.sub(r"\d+ rules", "", guide)
