"""How long `inspect`, and a plan without its verification, take on a project of a hundred files:
`.venv/bin/python -m benchmarks.tools`."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from apiwright.generators import fields, new, resource, shadow
from apiwright.kit import embedded
from apiwright.project import running
from apiwright.project.load import load

FILES = 100
GOALS = {"inspect": 2.0, "inspect --static": 2.0, "a plan": 5.0}  # seconds
NOTE = fields.parse("Note", ["title:str:max=80:unique", "project:ref:Project", "done:bool"])


def project(parent: Path) -> Path:
    """A new project, with its tags written out again under other names until it has as many."""
    shop = new.write("shop", parent).folder
    models, main = shop / "app/models.py", shop / "app/main.py"
    number = 0
    while len(list(shop.rglob("*.py"))) < FILES:
        number += 1
        for folder, name in (
            *(("app/routes", "tags"), ("app/schemas", "tag"), ("app/services", "tag_service")),
            ("tests", "test_tags"),
        ):
            file = shop / folder / f"{name}.py"
            copy = file.with_name(file.name.replace("tag", f"tag{number}_"))
            copy.write_text(renamed(file.read_text(), number))
        models.write_text(
            f"{models.read_text()}\n\nclass Tag{number}_(Owned, table=True):\n"
            "    name: str = Field(max_length=50, unique=True)\n"
        )
        many = f"tag{number}_s"
        main.write_text(
            f"{main.read_text()}\nfrom app.routes import {many}\n"
            f'app.include_router({many}.router, prefix="/api/v1")\n'
        )
    return shop


def renamed(text: str, number: int) -> str:
    text = text.replace("Tag", f"Tag{number}_").replace("tag", f"tag{number}_")
    return text.replace(f"tag{number}_s=[", "tags=[")  # FastAPI's word


def seconds(do: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """On the clock, and of CPU, Postgres's left out: the medians."""
    clock, cpu = [], []
    for _ in range(times):
        start, used = time.perf_counter(), sum(os.times()[:4])
        do()
        clock.append(time.perf_counter() - start)
        cpu.append(sum(os.times()[:4]) - used)
    return statistics.median(clock), statistics.median(cpu)


def inspect(shop: Path, *options: str) -> None:
    command = [sys.executable, "-m", "apiwright", "inspect", str(shop), "--json", *options]
    subprocess.run([*command, "--python", sys.executable], check=True, stdout=subprocess.DEVNULL)


def plan(shop: Path, server: str) -> None:
    read = load(shop)
    place = shadow.place(read, server)
    made = resource.plan(running.run(read, place.python), NOTE, place)
    assert made.files
    assert not made.blocked


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="apiwright-bench-") as folder:
        shop, data = project(Path(folder)), Path(folder) / "postgres"
        with embedded.running(data) as server:
            figures = {
                "inspect": seconds(lambda: inspect(shop)),
                "inspect --static": seconds(lambda: inspect(shop, "--static")),
                "a plan": seconds(lambda: plan(shop, server)),
            }
        embedded.remove(data)
    for what, (clock, cpu) in figures.items():
        print(f"{what:<18}{clock:6.2f} s, {cpu:5.2f} s of CPU  (goal: {GOALS[what]:.0f} s)")
    return int(any(clock > GOALS[what] for what, (clock, _) in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
