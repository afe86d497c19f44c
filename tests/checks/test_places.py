import ast

import pytest

from apiwright.checks.places import within
from apiwright.project.files import Source

TEXT = """
KEY: str = "x"
class Settings:
    key = "x"
    def read(self):
        value = 1
        def inner():
            return 2
if KEY:
    OTHER = [
        1,
    ]
@route(
    "/x"
)
async def handler():
    return 1
print(KEY)
"""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (2, "KEY"),
        (3, "Settings"),
        (4, "Settings.key"),
        (6, "Settings.read"),
        (8, "Settings.read.inner"),
        (11, "OTHER"),
        (14, "handler"),
        (17, "handler"),
        (18, None),
    ],
)
def test_a_line_stands_in_a_function_a_class_or_a_name(line: int, name: str | None) -> None:
    assert within(Source("main.py", ast.parse(TEXT), TEXT.encode()), line) == name
