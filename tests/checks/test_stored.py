"""What a request changed in the database."""

import sqlite3
from pathlib import Path

from apiwright.checks.database import Database
from apiwright.checks.stored import Stored


def test_new_changed_and_missing_rows_are_told(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "app.db")
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
    connection.executemany("INSERT INTO notes VALUES (?, ?)", [(1, "a"), (2, "b"), (3, "c")])
    connection.commit()
    database = Database(tmp_path, tmp_path, None)
    before = Stored(database)
    connection.execute("UPDATE notes SET text = 'z' WHERE id = 2")
    connection.execute("DELETE FROM notes WHERE id = 3")
    connection.execute("INSERT INTO notes VALUES (4, 'd')")
    connection.commit()
    connection.close()
    assert sorted(map(str, before.changes(Stored(database)))) == [
        "a new row in notes",
        "a row of notes is gone",
        "text of a row of notes changed",
    ]
    assert Stored(database).changes(Stored(database)) == []
