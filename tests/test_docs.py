"""The docs are complete and linked, what is generated is not stale, and their code runs.

In a page of docs/kit the Python blocks are one program, one after another; `await` stands in them
as in `python -m asyncio`. A block whose first line names a file is that file. It runs in a project
of `apiwright new --bare`, whose models are those of tables.md, or that has knowledge and agents, on
a database of its own.
"""

import argparse
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from apiwright import kit
from apiwright.checks.check import all_checks
from apiwright.checks.reports.page import page as page_of_check
from apiwright.cli import _parser
from apiwright.generators import agent, knowledge, new
from tests.postgres import new_database

ROOT = Path(__file__).parents[1]
KIT = ROOT / "docs" / "kit"
REFERENCE = ROOT / "docs" / "reference" / "cli.md"
CHECKS = ROOT / "docs" / "reference" / "checks.md"
MODULES = sorted(module.name for module in pkgutil.iter_modules(kit.__path__))
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]

RUN = """
import ast, asyncio, inspect, sys
from pathlib import Path
page = sys.argv[1]
code = compile(Path("page").read_text(), page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
waits = eval(code, vars(sys.modules["__main__"]))
if inspect.iscoroutine(waits):
    asyncio.run(waits)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    line: int
    """Of the page, where its text begins; the first is 0."""
    text: str

    @property
    def file(self) -> str | None:
        """The file that its first line names: `# app/models.py`."""
        named = re.match(r"# (\S+\.\w+)\n", self.text)
        return named[1] if named else None


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Block(found[1], text.count("\n", 0, found.start(2)), found[2])


def write(block: Block, project: Path) -> None:
    """Write a block into the file that it names."""
    assert block.file is not None
    (project / block.file).parent.mkdir(exist_ok=True)
    (project / block.file).write_text(block.text.partition("\n")[2].lstrip("\n"))


# completeness


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_kit_has_its_page_or_its_place_in_one(module: str) -> None:
    inner = f"`{module}`" in (KIT / "internals.md").read_text()
    assert (KIT / f"{module}.md").exists() or inner


@pytest.mark.parametrize("page", sorted(KIT.glob("*.md")), ids=lambda page: page.stem)
def test_every_page_of_the_kit_is_in_its_table_and_shows_code(page: Path) -> None:
    if page.stem != "README":
        assert f"({page.name})" in (KIT / "README.md").read_text()
        assert page.stem == "internals" or any(block.language == "python" for block in blocks(page))


def test_the_reference_of_the_command_line_is_not_stale() -> None:
    assert REFERENCE.read_text() == reference(), "run scripts/docs"


def test_the_reference_of_the_checks_is_not_stale() -> None:
    assert CHECKS.read_text() == reference_of_checks(), "run scripts/docs"


def test_every_command_is_in_the_reference() -> None:
    commands = {"new", "inspect", "check", "explain", "add resource", "undo", "status", "dev"}
    assert commands | {"run", "db upgrade", "db downgrade", "db revision"} <= set(
        re.findall(r"^## apiwright (.*)$", REFERENCE.read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_resolves(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# the pages of the kit run


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with the models of tables.md, and its migration not yet written."""
    project = new.write("shop", tmp_path_factory.mktemp("docs"), bare=True).folder
    for block in blocks(KIT / "tables.md"):
        if block.file is not None:
            write(block, project)
    shutil.rmtree(project / "migrations" / "versions")
    (project / "migrations" / "versions").mkdir()
    return project


@pytest.fixture(scope="session")
def migrated(shop: Path, server: str) -> Iterator[str]:
    """The name of a database that holds the project's tables."""
    with new_database(server) as url:
        for action in (["revision", "-m", "the tables of the docs"], ["upgrade"]):
            run(shop, url, "-m", "apiwright", "db", *action)
        yield urlsplit(url).path[1:]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with knowledge and agents."""
    parts = {"knowledge": knowledge.plan, "agents": agent.plan}
    return new.write("shop", tmp_path_factory.mktemp("library"), bare=True, parts=parts).folder


@pytest.fixture(scope="session")
def migrated_library(library: Path, server: str) -> Iterator[str]:
    with new_database(server) as url:
        run(library, url, "-m", "apiwright", "db", "upgrade")
        yield urlsplit(url).path[1:]


@pytest.mark.parametrize("page", sorted(KIT.glob("*.md")), ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(
    page: Path, server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    of_library = page.stem in ("knowledge", "agents")
    shop = request.getfixturevalue("library" if of_library else "shop")
    migrated = request.getfixturevalue("migrated_library" if of_library else "migrated")
    project = shutil.copytree(shop, tmp_path / "shop")
    lines = [""] * page.read_text().count("\n")  # so that an error names the line of the page
    for block in blocks(page):
        if block.language == "python" and block.file is None:
            code = block.text.splitlines()
            lines[block.line : block.line + len(code)] = code
        elif block.file is not None:
            write(block, project)
    (project / "page").write_text("\n".join(lines))
    with new_database(server, migrated) as url:
        run(project, url, "-W", "error", "-c", RUN, str(page))


def run(project: Path, url: str, *arguments: str) -> None:
    development = {"FASTAPI_ENV": "development", "DATABASE_URL": url, "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=development,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# the reference


def reference() -> str:
    """The page docs/reference/cli.md. Not argparse's own help: its layout differs between
    versions of Python."""
    top = _parser()
    return (
        "# The command line\n\n"
        "Written by `scripts/docs`; `apiwright COMMAND --help` says the same.\n\n"
        "All but `new`, `inspect`, `check` and `explain` work on the project in the current\n"
        "folder. They exit with 0; with 2 when something is wrong that they can name; with 3 when\n"
        "they will not do it as things stand (what happened, and what to do, is on standard\n"
        "error); with 1 when there is something to do and `--plan` was said, or when `check` has\n"
        "found something that is bad enough; with 4 when what was planned does not work; with 130\n"
        "after Ctrl-C.\n" + "".join(sections(top))
    )


def reference_of_checks() -> str:
    """The page docs/reference/checks.md: what `apiwright explain` says of each."""
    checks = all_checks()
    names = sorted({check.name for check in checks})
    pages = [
        page_of_check([one for one in checks if one.name == name], 2, short=True) for name in names
    ]
    table = [
        f"| [{one.name}](#{one.name}) | {one.severity} | {one.page.summary} |"
        for one in (next(one for one in checks if one.name == name) for name in names)
    ]
    return (
        "# The checks\n\n"
        "Written by `scripts/docs` from the rules and probes themselves; `apiwright explain RULE`\n"
        "says the same. How to run them: [Check a project](../guides/check.md).\n\n"
        "| | | |\n|---|---|---|\n" + "\n".join(table) + "\n\n" + "\n".join(pages)
    )


def sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                below = action.choices[choice.dest]
                yield section(below, choice.help or "")
                yield from sections(below)


def section(parser: argparse.ArgumentParser, says: str) -> str:
    options = [action for action in parser._actions if action.dest != "help"]
    text = f"\n## {parser.prog}\n\n{says[0].upper()}{says[1:]}.\n"
    if parser.description:
        text += f"\n{parser.description}\n"
    usage = " ".join([parser.prog, *filter(None, map(usage_of, options))])
    text += f"\n```\n{usage}\n```\n"
    rows = [f"| `{name_of(action)}` | {action.help} |\n" for action in options if action.help]
    return text + ("\n| | |\n|---|---|\n" + "".join(rows) if rows else "")


def usage_of(action: argparse.Action) -> str:
    if action.nargs == "*":
        return f"[{name_of(action)} ...]"
    if not action.option_strings:
        return f"[{name_of(action)}]" if action.nargs == "?" else name_of(action)
    usage = f"{action.option_strings[0]} {value_of(action)}".rstrip()
    return usage if action.required else f"[{usage}]"


def name_of(action: argparse.Action) -> str:
    return f"{', '.join(action.option_strings)} {value_of(action)}".strip()


def value_of(action: argparse.Action) -> str:
    return "" if action.nargs == 0 else str(action.metavar or action.dest.upper())


if __name__ == "__main__":
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(reference())
    CHECKS.write_text(reference_of_checks())
