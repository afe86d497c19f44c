"""The projects that the tests read."""

from pathlib import Path

from apiwright.project.facts import Project

PROJECTS = Path(__file__).parents[1] / "projects"
REFERENCE_APP = Path(__file__).parents[2] / "src" / "apiwright" / "generators" / "reference_app"


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def served(project: Project) -> list[str]:
    """What a reader looks for first: GET /tasks login."""
    return [f"{route.method} {route.path} {route.protection}" for route in project.routes]
