"""What others make of the OpenAPI document: linters find nothing, typed clients compile and work.

Node's tools and the generator of Python clients come from their registries, in a folder that is
kept: `scripts/e2e`.
"""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import environment, serving

CLIENTS = Path(__file__).parent / "clients"


@pytest.fixture(scope="module")
def document(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    with serving(project, "dev") as address:
        file.write_text(httpx2.get(f"{address}/openapi.json").text)
    return file


@pytest.fixture(scope="module")
def node(tools: Path) -> Path:
    """The folder of the programs that npm installs."""
    if not (tools / "node_modules" / "complete").exists():
        (tools / "package.json").write_text((CLIENTS / "package.json").read_text())
        options = ["--no-audit", "--no-fund", "--ignore-scripts"]
        run(["npm", "install", *options], tools)
        (tools / "node_modules" / "complete").touch()
    return tools / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def python(tools: Path) -> Path:
    """The folder of the programs of an environment that can generate Python clients."""
    programs = tools / "venv" / "bin"
    if not (programs / "openapi-python-client").exists():
        run([sys.executable, "-m", "venv", "venv"], tools)
        requirements = str(CLIENTS / "requirements.txt")
        run([str(programs / "python"), "-m", "pip", "install", "-q", "-r", requirements], tools)
    return programs


def test_redocly_finds_nothing(document: Path, node: Path) -> None:
    rules = str(CLIENTS / "redocly.yaml")
    done = run([str(node / "redocly"), "lint", "--config", rules, document.name], document.parent)
    assert "Your API description is valid." in done
    assert "warning" not in done.replace("Deprecation warning", "")  # that one is of Node.js


def test_spectral_finds_nothing(document: Path, node: Path) -> None:
    rules = ["--ruleset", str(CLIENTS / "spectral.yaml"), "--fail-severity", "hint"]
    run([str(node / "spectral"), "lint", *rules, document.name], document.parent)


def test_types_for_typescript_compile(document: Path, node: Path, tmp_path: Path) -> None:
    # what has a default may be left out of a request
    options = ["--output", "api.d.ts", "--default-non-nullable=false"]
    run([str(node / "openapi-typescript"), str(document), *options], tmp_path)
    (tmp_path / "use.ts").write_text((CLIENTS / "use.ts").read_text())
    run([str(node / "tsc"), "--strict", "--noEmit", "api.d.ts", "use.ts"], tmp_path)


def test_a_python_client_passes_mypy_and_works(
    project: Path, document: Path, python: Path, tmp_path: Path
) -> None:
    generate = [str(python / "openapi-python-client"), "generate", "--meta", "none"]
    generate += ["--path", str(document), "--output-path", "shop_client", "--fail-on-warning"]
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"post_hooks": []}))  # it need not be pretty
    run([*generate, "--config", str(settings)], tmp_path)
    (tmp_path / "round_trip.py").write_text((CLIENTS / "round_trip.py").read_text())
    run([str(python / "mypy"), "--strict", "shop_client", "round_trip.py"], tmp_path)
    with serving(project, "dev") as address:
        run([str(python / "python"), "round_trip.py", address], tmp_path)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
