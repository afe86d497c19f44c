import json
import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from apiwright.edit.apply import SCRATCH, apply, recover, write
from apiwright.edit.files import FileChange
from apiwright.edit.ledger import FOLDER, change_sets
from apiwright.edit.plan import AddImport, AddLine, Change, NewFile, Plan
from apiwright.edit.undo import undo, undoing
from apiwright.errors import ApiwrightError, Refused
from tests.edit.conftest import CHANGES, MAIN, plan, tree

STEPS = ("replace", "link", "unlink", "mkdir", "rmdir", "fsync", "chmod")


def test_everything_is_written_and_recorded(shop: Path) -> None:
    made = apply(plan(shop), shop)
    assert made is not None
    assert (shop / "app/routes/notes.py").read_text() == "router = 1\n"
    assert "app.include_router(notes.router)\n" in (shop / "app/main.py").read_text()
    assert [each.id for each in change_sets(shop)] == [made.id]
    assert names(shop / FOLDER) == [f"{made.id}.json"]


def test_a_second_run_is_an_empty_plan(shop: Path) -> None:
    apply(plan(shop), shop)
    again = plan(shop)
    assert {step.outcome for step in again.steps} == {"already there"}
    assert again.is_empty
    assert apply(again, shop) is None


def test_what_is_thrown_away_is_ignored_by_git(shop: Path) -> None:
    git(shop, "init")
    apply(plan(shop), shop)
    untracked = git(shop, "status", "--porcelain", "--untracked-files=all")
    assert ".apiwright/changes/" in untracked
    assert ".apiwright/tmp" not in untracked
    assert names(shop / SCRATCH) == [".gitignore", "lock"]


# killed


def kinds_of_work() -> list[tuple[str, Callable[[Path], Callable[[], object]]]]:
    def forward(root: Path) -> Callable[[], object]:
        ready = plan(root)
        return lambda: apply(ready, root)

    def backward(root: Path) -> Callable[[], object]:
        apply(plan(root), root)
        ready = undoing(root)
        assert ready is not None
        return lambda: undo(ready, root)

    return [("apply", forward), ("undo", backward)]


@pytest.mark.parametrize(("name", "prepare"), kinds_of_work(), ids=["apply", "undo"])
def test_killed_at_any_step_the_tree_is_the_old_or_the_new(
    shop: Path, name: str, prepare: Callable[[Path], Callable[[], object]]
) -> None:
    expected = complete(shop.with_name(f"{name}-whole"), shop, prepare)
    seen = set()
    for step in range(1, 500):
        root = shop.with_name(f"{name}-{step}")
        shutil.copytree(shop, root)
        work = prepare(root)
        old = snapshot(root)
        died = killed_at(step, work)
        recover(root)
        new = snapshot(root)
        seen.add(new == old)
        assert new in (old, expected), step
        assert_nothing_is_left_over(root)
        if not died:
            break
    else:
        pytest.fail("it never came to its end")
    assert step > 20
    assert seen == {True, False}


def test_killed_while_putting_right_it_is_put_right_the_next_time(shop: Path) -> None:
    old = snapshot(shop)
    for first in range(6, 60, 4):
        for second in (1, 2, 3, 5, 8, 13):
            root = shop.with_name(f"twice-{first}-{second}")
            shutil.copytree(shop, root)
            ready = plan(root)
            killed_at(first, partial(apply, ready, root))
            killed_at(second, partial(recover, root))
            recover(root)
            assert len(snapshot(root)) in (len(old), len(old) + 4)
            assert_nothing_is_left_over(root)


def test_kill_9_at_random_moments(shop: Path) -> None:
    code = (
        "import sys, pathlib; from tests.edit.conftest import plan;"
        "from apiwright.edit.apply import apply; root = pathlib.Path(sys.argv[1]);"
        "ready = plan(root); print('ready', flush=True); apply(ready, root)"
    )
    old = snapshot(shop)
    for number in range(8):
        root = shop.with_name(f"random-{number}")
        shutil.copytree(shop, root)
        with subprocess.Popen(
            [sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(random.random() / 50)  # noqa: S311
            process.kill()
        recover(root)
        assert len(snapshot(root)) in (len(old), len(old) + 4)
        assert ("notes" in (root / "app/main.py").read_text()) == (
            (root / "app/routes/notes.py").exists()
        )


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do the work in a child that dies, as by kill -9, before its step number so and so."""
    child = os.fork()
    if child == 0:
        count = 0

        def counting(function: Callable[..., object]) -> Callable[..., object]:
            def counted(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)

            return counted

        for name in STEPS:
            setattr(os, name, counting(getattr(os, name)))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def complete(
    root: Path, shop: Path, prepare: Callable[[Path], Callable[[], object]]
) -> dict[str, bytes]:
    shutil.copytree(shop, root)
    prepare(root)()
    return snapshot(root)


def snapshot(root: Path) -> dict[str, bytes]:
    """The tree, and how many change sets the ledger holds: their names hold the time."""
    return {**tree(root), "ledger": b"x" * len(names(root / FOLDER))}


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def assert_nothing_is_left_over(root: Path) -> None:
    left = [path.name for path in root.rglob("*") if "apiwright-" in path.name]
    assert left == []
    assert set(names(root / SCRATCH)) <= {".gitignore", "lock"} | {
        f"journal.json.{state}" for state in ("preparing", "replacing", "restoring")
    }


def test_what_the_user_changed_after_an_interruption_is_not_lost(shop: Path) -> None:
    ready = plan(shop)
    for step in range(1, 100):
        killed_at(step, lambda: apply(ready, shop))
        journal = shop / SCRATCH / "journal.json"
        if journal.exists() and json.loads(journal.read_text())["state"] == "replacing":
            break
    aside = shop / "app/.main.py.apiwright-new"
    assert aside.exists()
    (shop / "app/main.py").write_text("mine\n")
    with pytest.raises(Refused, match=r"app/main\.py has been changed since") as refused:
        recover(shop)
    assert "app/.main.py.apiwright-new" in refused.value.todo
    aside.unlink()
    recover(shop)
    assert (shop / "app/main.py").read_text() == "mine\n"
    assert (shop / "app/routes/notes.py").exists()


# what the disk refuses


def test_a_full_disk_changes_nothing(shop: Path) -> None:
    """A process that may write files of so many bytes at most fails midway, as on a full disk."""
    before = snapshot(shop)
    for limit in (10, 150, 400, 700):
        with small_files(limit), pytest.raises(ApiwrightError) as refused:
            apply(plan(shop), shop)
        assert "File too large" in refused.value.happened
        assert "Nothing was changed" in refused.value.todo
        assert snapshot(shop) == before
        assert_nothing_is_left_over(shop)
    apply(plan(shop), shop)


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_failure_at_any_step_changes_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step in turn fails once."""
    before, failed = snapshot(shop), 0
    for step in range(1, 100):
        count = 0

        def failing(function: Callable[..., object]) -> Callable[..., object]:
            def counted(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == step:  # noqa: B023
                    raise OSError(28, "No space left on device")
                return function(*arguments, **options)

            return counted

        with monkeypatch.context() as patched:
            for name in ("replace", "mkdir", "fsync"):
                patched.setattr(os, name, failing(getattr(os, name)))
            ready = plan(shop)
            try:
                done = apply(ready, shop)
            except ApiwrightError:
                failed += 1
                done = None
        if done is None:
            recover(shop)
            assert snapshot(shop) == before
            assert_nothing_is_left_over(shop)
        else:
            break
    assert failed > 10


def test_a_folder_that_may_not_be_written_to_is_said(shop: Path) -> None:
    before = snapshot(shop)
    ready = plan(shop)
    if os.geteuid() == 0:  # root may write anywhere: so do it as somebody else
        for path in [shop, *shop.rglob("*")]:
            os.chown(path, 65534, 65534)
        open_up(shop)
    (shop / "app").chmod(0o555)
    said = as_nobody(lambda: apply(ready, shop))
    (shop / "app").chmod(0o755)
    assert "could not be written: Permission denied" in said
    assert snapshot(shop) == before
    assert_nothing_is_left_over(shop)


def open_up(path: Path) -> None:
    """Let everybody come this far."""
    for parent in path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o711)


def as_nobody(work: Callable[[], object]) -> str:
    """What it says when somebody else than root does it."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            work()
        except ApiwrightError as error:
            os.write(into, str(error).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


# what is refused


@pytest.mark.parametrize("path", ["app/main.py", "app/routes/notes.py"])
def test_a_stale_plan_is_refused(shop: Path, path: str) -> None:
    ready = plan(shop)
    (shop / path).write_text("mine\n")
    with pytest.raises(Refused, match=f"{path} has changed since the plan was made"):
        apply(ready, shop)
    assert not (shop / FOLDER).exists()


def test_a_blocked_plan_writes_nothing(shop: Path) -> None:
    before = snapshot(shop)
    blocked = Plan.make(shop, "x", [*CHANGES, Change("app/main.py", AddImport("x", "app"))])
    with pytest.raises(Refused, match="`app` is something else already, in line 5") as refused:
        apply(blocked, shop)
    assert "from x import app" in refused.value.todo
    assert snapshot(shop) == before


def test_a_read_only_file_is_left_alone(shop: Path) -> None:
    (shop / "app/main.py").chmod(0o444)
    with pytest.raises(Refused, match=r"app/main\.py is read-only"):
        apply(plan(shop), shop)
    assert (shop / "app/main.py").read_text() == MAIN


def test_the_mode_of_a_file_stays(shop: Path) -> None:
    (shop / "app/main.py").chmod(0o750)
    apply(plan(shop), shop)
    assert stat.S_IMODE((shop / "app/main.py").stat().st_mode) == 0o750


def test_one_at_a_time(shop: Path) -> None:
    holder = (
        "import fcntl, sys, pathlib; lock = open(sys.argv[1], 'a');"
        "fcntl.flock(lock, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()"
    )
    (shop / SCRATCH).mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(shop / SCRATCH / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Refused, match="Another Apiwright command"):
            apply(plan(shop), shop)
        process.communicate("")
    apply(plan(shop), shop)


def test_a_link_within_the_project_is_followed_and_stays_a_link(shop: Path) -> None:
    (shop / "app/main.py").rename(shop / "real.py")
    (shop / "app/main.py").symlink_to("../real.py")
    apply(plan(shop), shop)
    assert (shop / "app/main.py").is_symlink()
    assert "notes.router" in (shop / "real.py").read_text()
    proposed = undoing(shop)
    assert proposed is not None
    undo(proposed, shop)
    assert (shop / "real.py").read_text() == MAIN


def test_a_link_that_leads_out_is_refused(shop: Path) -> None:
    (shop / "app/main.py").rename(shop.parent / "outside.py")
    (shop / "app/main.py").symlink_to(shop.parent / "outside.py")
    with pytest.raises(Refused, match="leads outside of the project"):
        plan(shop)
    assert (shop.parent / "outside.py").read_text() == MAIN


def test_a_folder_that_leads_out_is_refused(shop: Path) -> None:
    (shop.parent / "elsewhere").mkdir()
    (shop / "tests").symlink_to(shop.parent / "elsewhere")
    with pytest.raises(Refused, match="leads outside of the project"):
        plan(shop)


@pytest.mark.parametrize(
    "path",
    ["../x.py", "/etc/x.py", "app/../../x.py", "", ".", "app//x.py", "app/./x.py", "a\\b.py"]
    + ["a\nb.py", "a\0.py", "C:x.py", "app/x.py ", "app/ x.py", "app/x.", ".git/config"]
    + [".apiwright/changes/x.json", "app/con?.py"],
)
def test_a_path_that_is_not_one_of_the_project_is_an_error(shop: Path, path: str) -> None:
    before = snapshot(shop.parent)
    with pytest.raises(ApiwrightError) as refused:
        Plan.make(shop, "x", [Change(path, NewFile("x"))])
    assert refused.value.todo
    assert snapshot(shop.parent) == before


@pytest.mark.parametrize("path", ["app/Main.py", "App/other.py"])
def test_names_that_differ_in_case_alone_are_refused(shop: Path, path: str) -> None:
    with pytest.raises(Refused, match="differ in upper and lower case alone"):
        Plan.make(shop, "x", [Change(path, NewFile("x"))])
    with pytest.raises(Refused, match="differ in upper and lower case alone"):
        Plan.make(shop, "x", [Change("b/n.py", NewFile("x")), Change("b/N.py", NewFile("x"))])


def test_a_file_in_conflict_is_named(shop: Path) -> None:
    (shop / "app/main.py").write_text("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> theirs\n")
    with pytest.raises(Refused, match=r"app/main\.py has conflict markers, in line 1"):
        plan(shop)


def test_a_file_that_is_there_and_not_ours_is_not_overwritten(shop: Path) -> None:
    for text in ("mine\n", ""):
        (shop / "app/routes/notes.py").write_text(text)
        assert [step.outcome for step in plan(shop).blocked] == ["could not"]
        with pytest.raises(Refused, match="it exists already"):
            apply(plan(shop), shop)
        assert (shop / "app/routes/notes.py").read_text() == text


# git


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_edits_that_git_does_not_have_are_a_question(shop: Path) -> None:
    git(shop, "init")
    git(shop, "add", ".")
    git(shop, "commit", "-m", "first")
    (shop / "app/main.py").write_text(MAIN + "# mine\n")
    (shop / "app/routes/todos.py").write_text("# not touched\n")
    with pytest.raises(Refused, match=r"latest edits of app/main\.py yet") as refused:
        apply(plan(shop), shop)
    assert "--allow-dirty" in refused.value.todo
    apply(plan(shop), shop, allow_dirty=True)
    assert "# mine" in (shop / "app/main.py").read_text()


def test_what_we_applied_ourselves_is_no_question(shop: Path) -> None:
    git(shop, "init")
    git(shop, "add", ".")
    git(shop, "commit", "-m", "first")
    apply(plan(shop), shop)
    apply(Plan.make(shop, "y", [Change("app/main.py", AddImport("json"))]), shop)
    assert "import json" in (shop / "app/main.py").read_text()


def test_writing_what_has_changed_since_is_refused(shop: Path) -> None:
    with pytest.raises(Refused, match="has changed since"):
        write(shop, [FileChange("app/main.py", b"something else", b"x")])


def test_a_file_that_is_not_utf_8_is_left_alone(shop: Path) -> None:
    (shop / ".gitignore").write_bytes(b"\xff\xfe\n")
    (shop / "latin.py").write_bytes(b"# coding: latin-1\nx = '\xe4'\n")
    made = Plan.make(shop, "x", [Change(".gitignore", AddLine("a"))])
    assert made.blocked[0].reason.startswith("it is not text")
    apply(Plan.make(shop, "x", [Change("latin.py", AddImport("json"))]), shop)
    assert b"'\xe4'" in (shop / "latin.py").read_bytes()
