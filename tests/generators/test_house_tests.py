"""The tests that are written into a project of somebody else's: in its style, and worth having."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apiwright.edit.plan import NewFile
from apiwright.generators import house_tests, suites
from apiwright.generators.house_tests import Written
from apiwright.generators.shadow import Shadow, shadow
from tests.generators.strangers import ROUTER, SCHEMAS, Stranger, planted, run

AGAIN = """\
import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    items[:] = items[::-1] + items[1:] + items[:1]
"""


@dataclass(frozen=True)
class Made:
    stranger: Stranger
    written: Written

    @property
    def text(self) -> str:
        edit = self.written.changes[-1].edit
        assert isinstance(edit, NewFile)
        return edit.text

    def into(self, copy: Shadow) -> None:
        for change in self.written.changes:
            assert isinstance(change.edit, NewFile)
            (copy.folder / change.path).parent.mkdir(exist_ok=True)
            (copy.folder / change.path).write_text(change.edit.text)


def made(stranger: Stranger, sibling: str, *, without_tests: bool = False) -> Made:
    with shadow(stranger.project, stranger.place) as copy:
        copy.write(stranger.plan.files)
        project = stranger.project
        if without_tests:
            for path in (copy.folder / "tests").iterdir():
                path.unlink() if path.is_file() else None
            project = run(copy.folder)
        return Made(stranger, house_tests.add(project, copy, stranger.wanted, sibling))


@pytest.fixture(scope="module")
def of_diary(diary: Stranger) -> Made:
    return made(diary, "/entries/")


@pytest.fixture(scope="module")
def of_shelf(shelf: Stranger) -> Made:
    return made(shelf, "/api/v1/entries")


@pytest.fixture
def copy(of_diary: Made) -> Iterator[Shadow]:
    with shadow(of_diary.stranger.project, of_diary.stranger.place) as copied:
        copied.write(of_diary.stranger.plan.files)
        of_diary.into(copied)
        yield copied


def failed(made: Made, copy: Shadow) -> set[str]:
    results, words = suites.run(made.stranger.project, copy, made.written.path)
    assert results, words
    return {
        name.rpartition(".")[2].partition("[")[0]
        for name, result in results.items()
        if result != "passed"
    }


def test_they_are_written_as_the_siblings_are(of_diary: Made, of_shelf: Made) -> None:
    assert of_diary.written.path == of_shelf.written.path == "tests/test_notes.py"
    assert (
        "def test_list_notes(client: TestClient, auth_headers: dict[str, str]) -> None:"
        in of_diary.text
    )
    assert "@pytest.mark.anyio\nasync def test_list_notes(client: AsyncClient)" in of_shelf.text
    assert "from httpx2 import AsyncClient" in of_shelf.text
    assert 'answer.json()["data"]["title"]' in of_shelf.text


def test_they_hold_every_boundary_that_was_said(of_diary: Made, of_shelf: Made) -> None:
    assert '("title", "x" * 101)' in of_diary.text
    assert '("title", "")' not in of_diary.text  # nobody said that it may not be empty
    for case in ('("title", "")', '("title", "x" * 101)', '("mood", "something-else")'):
        assert case in of_shelf.text


def test_they_pass_twice_and_in_any_order(of_diary: Made, of_shelf: Made, copy: Shadow) -> None:
    (copy.folder / "conftest.py").write_text(AGAIN)
    assert failed(of_diary, copy) == set()
    with shadow(of_shelf.stranger.project, of_shelf.stranger.place) as other:
        other.write(of_shelf.stranger.plan.files)
        of_shelf.into(other)
        (other.folder / "conftest.py").write_text(AGAIN)
        assert failed(of_shelf, other) == set()


DEFECTS = {
    "somebody_else": (ROUTER, ", Note.owner_id == user.id", ""),
    "not_there": (ROUTER, "if note is None:", "if False:"),
    "does_not_fit": (SCHEMAS, "Field(max_length=100)", "Field()"),
    "just_fits": (SCHEMAS, "max_length=100", "max_length=99"),
    "update": (ROUTER, "setattr(note, name, value)", "pass"),
    "delete": (ROUTER, "db.delete(find(note_id, db, user))", "find(note_id, db, user)"),
    "list": (ROUTER, ".where(Note.owner_id == user.id)", ".where(Note.id < 0)"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_makes_one_of_them_fail(of_diary: Made, copy: Shadow, defect: str) -> None:
    copy.write(planted(of_diary.stranger.plan, DEFECTS[defect]).files)
    assert any(defect in name for name in failed(of_diary, copy))


@pytest.mark.parametrize("kind", ["diary", "shelf"])
def test_where_there_are_no_tests_they_bring_a_client(
    kind: str, request: pytest.FixtureRequest
) -> None:
    stranger: Stranger = request.getfixturevalue(kind)
    own = made(stranger, "/nothing", without_tests=True)
    assert [change.path for change in own.written.changes] == [
        "tests/__init__.py",
        "tests/test_notes.py",
    ]
    assert "app.dependency_overrides[get_" in own.text
    with shadow(stranger.project, stranger.place) as copied:
        copied.write(stranger.plan.files)
        for path in (copied.folder / "tests").glob("*.py"):
            path.unlink()
        own.into(copied)
        (copied.folder / "conftest.py").write_text(AGAIN)
        assert failed(own, copied) == set()


def test_a_file_that_is_there_is_left_alone(of_diary: Made, copy: Shadow) -> None:
    (copy.folder / "tests/test_notes.py").write_text("# mine\n")
    stranger = of_diary.stranger
    written = house_tests.add(stranger.project, copy, stranger.wanted, "/entries/")
    assert written == Written(())


def test_where_nothing_could_be_made_none_are_written(diary: Stranger) -> None:
    plan = planted(diary.plan, (ROUTER, "    db.add(note)\n    db.commit()", "    note.id = 1"))
    with shadow(diary.project, diary.place) as copied:
        copied.write(plan.files)
        written = house_tests.add(diary.project, copied, diary.wanted, "/entries/")
    assert written.changes == ()
    assert "nothing could be created" in written.note


def test_of_an_app_that_is_broken_none_are_written(diary: Stranger, tmp_path: Path) -> None:
    with shadow(diary.project, diary.place) as copied:
        copied.write(planted(diary.plan, (ROUTER, "APIRouter(", "Nothing(")).files)
        written = house_tests.add(diary.project, copied, diary.wanted, "/entries/")
    assert written == Written((), "no tests are written: the app cannot be imported")


def test_where_there_is_no_login_a_test_says_who_it_is(diary: Stranger) -> None:
    main = ("app/main.py", "app.include_router(auth.router)\n", "")
    plan = planted(diary.plan, main)
    with shadow(diary.project, diary.place) as copied:
        copied.write(plan.files)
        written = house_tests.add(diary.project, copied, diary.wanted, "/entries/")
        own = Made(diary, written)
        own.into(copied)
        assert failed(own, copied) == set()
        assert "app.dependency_overrides[get_current_user] = lambda: user" in own.text
        copied.write(planted(plan, (ROUTER, ", Note.owner_id == user.id", "")).files)
        assert failed(own, copied) == {"test_notes_of_somebody_else"}
