import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import pairwise
from operator import and_, or_
from uuid import RFC_4122, UUID

import pytest

from apiwright.kit import postgres_url
from apiwright.kit.identifiers import uuid7

RANDOM = (1 << 62) - 1


def test_it_is_a_uuid_of_version_7() -> None:
    made = uuid7()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_it_begins_with_the_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7().int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_later_ones_are_greater() -> None:
    made = []
    for _ in range(1000):
        made.append(uuid7())
        now = time.time_ns()
        while time.time_ns() < now + 1000:  # its clock ticks four times in a microsecond
            pass
    assert made == sorted(made)


def test_those_of_one_moment_are_not_behind_earlier_ones() -> None:
    moments = [uuid7().int >> 64 for _ in range(20_000)]
    assert all(earlier <= later for earlier, later in pairwise(moments))


def test_no_two_are_alike_though_made_at_once_by_many_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: uuid7(), range(10_000)))
    assert len(set(made)) == len(made)


def test_every_one_of_the_62_other_bits_is_random() -> None:
    rest = [uuid7().int & RANDOM for _ in range(1000)]
    assert reduce(or_, rest) == RANDOM
    assert reduce(and_, rest) == 0


def test_a_forked_process_does_not_repeat_what_its_parent_makes() -> None:
    program = (
        "import os; from apiwright.kit.identifiers import uuid7; uuid7(); os.fork();"
        "print([uuid7().int & (1 << 62) - 1 for _ in range(100)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    parents, childs = done.stdout.splitlines()
    assert parents != childs


@pytest.mark.anyio
async def test_postgres_orders_them_as_python_does(server: str) -> None:
    made = [uuid7() for _ in range(100)] + [UUID(int=0), UUID(int=(1 << 128) - 1)]
    connection = await postgres_url.connect(server)
    try:
        rows = await connection.fetch("SELECT u FROM unnest($1::uuid[]) AS u ORDER BY u", made)
    finally:
        await connection.close()
    assert [UUID(bytes=row["u"].bytes) for row in rows] == sorted(made)
