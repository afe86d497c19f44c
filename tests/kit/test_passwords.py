"""Hashing takes a fifth of a second each time: the hashes here are made once."""

import asyncio
import threading
import time
from collections.abc import Awaitable

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from pydantic import BaseModel, ValidationError

from apiwright.kit.passwords import (
    NewPassword,
    hash_password,
    verify_and_upgrade,
    verify_password,
)

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse bättery\0staple 🔋"
LONGEST = "x" * 70 + "é"  # 72 bytes


@pytest.fixture(scope="module")
async def hashed() -> str:
    return await hash_password(PASSWORD)


@pytest.fixture(scope="module")
async def longest() -> str:
    return await hash_password(LONGEST)


class SignUp(BaseModel):
    password: NewPassword


async def seconds_of_work(work: Awaitable[bool]) -> float:
    """Of this process on all threads, whatever else the machine is doing."""
    before = time.process_time()
    assert not await work
    return time.process_time() - before


async def test_half_a_character_is_wrong_and_no_error(hashed: str) -> None:
    assert not await verify_password("\ud83d", hashed)  # JSON can hold it: "\\ud83d"
    argon2 = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$h2e2Ig38QnfJWX9d1sbm8g"
    assert not await verify_password("\ud83d", argon2)


async def test_the_right_password_is_right_and_others_are_wrong(hashed: str) -> None:
    assert await verify_password(PASSWORD, hashed)
    for wrong in ("", f"{PASSWORD} "):
        assert not await verify_password(wrong, hashed)


async def test_what_stands_behind_a_nul_counts(hashed: str) -> None:
    assert not await verify_password(PASSWORD.partition("\0")[0] + "\0stable", hashed)


async def test_all_72_bytes_count_and_no_more_are_accepted(longest: str) -> None:
    assert await verify_password(LONGEST, longest)
    assert not await verify_password(LONGEST[:-1] + "è", longest)
    assert not await verify_password(f"{LONGEST}!", longest)


async def test_a_password_that_is_too_long_is_wrong_whatever_the_hash_is_of() -> None:
    assert not await verify_password("x" * 73, await hash_password(""))


async def test_two_hashes_of_a_password_differ_and_do_not_tell_it(hashed: str) -> None:
    again = await hash_password(PASSWORD)
    assert again != hashed
    assert "horse" not in hashed


async def test_it_is_bcrypt_of_cost_12(hashed: str) -> None:
    assert hashed.startswith("$2b$12$")


async def test_more_than_72_bytes_are_not_hashed() -> None:
    with pytest.raises(ValueError, match="may have 72 bytes"):
        await hash_password("é" * 37)


@pytest.mark.parametrize("unusable", [None, "", "!", "$2b$12$short"])
async def test_without_a_hash_that_can_be_read_no_password_is_right(unusable: str | None) -> None:
    assert not await verify_password("plain", unusable)


async def test_an_unknown_user_takes_as_long_as_a_known_one(hashed: str) -> None:
    known = await seconds_of_work(verify_password("wrong", hashed))
    for unknown in (
        verify_password("wrong", None),
        verify_password("wrong", "!"),
        verify_password("x" * 73, hashed),
    ):
        assert known / 2 < await seconds_of_work(unknown) < known * 2


async def test_the_event_loop_goes_on_while_it_hashes(hashed: str) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticker = asyncio.create_task(tick())
    await asyncio.gather(verify_password(PASSWORD, hashed), verify_password("", None))
    ticker.cancel()
    assert ticks > 10


async def test_a_storm_of_logins_takes_one_thread(hashed: str) -> None:
    logins = [asyncio.create_task(verify_password("wrong", hashed)) for _ in range(3)]
    await asyncio.wait(logins, return_when=asyncio.FIRST_COMPLETED)
    names = [thread.name for thread in threading.enumerate()]
    assert len([name for name in names if name.startswith("apiwright-passwords")]) == 1
    await asyncio.gather(*logins)


async def test_for_a_client_that_has_left_nothing_is_hashed(hashed: str) -> None:
    one = await seconds_of_work(verify_password("wrong", hashed))
    before = time.process_time()
    logins = [asyncio.create_task(verify_password("wrong", hashed)) for _ in range(10)]
    await asyncio.sleep(0)  # they begin
    for login in logins[1:]:
        login.cancel()
    await asyncio.wait(logins)
    await verify_password("wrong", hashed)  # the queue is empty behind it
    assert time.process_time() - before < one * 4


@pytest.mark.parametrize("password", ["12345678", LONGEST, "🔋" * 18, "\0" * 8, "пароль пароль"])
async def test_a_new_password_has_8_characters_to_72_bytes(password: str) -> None:
    assert SignUp(password=password).password == password


@pytest.mark.parametrize("password", ["", "1234567", "🔋🔋", "x" * 73, "🔋" * 19, "x" * 1_000_000])
async def test_another_is_refused_in_words_that_do_not_repeat_it(password: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SignUp(password=password)
    (error,) = refused.value.errors()
    assert "8 characters" in error["msg"] or "72 bytes" in error["msg"]
    assert not password or password not in error["msg"]


async def test_half_a_character_is_refused() -> None:
    with pytest.raises(ValidationError):
        SignUp(password="\ud83d" * 8)


# hashes of another backend

ARGON2 = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.mark.parametrize("password", [PASSWORD, "x" * 200])
async def test_an_argon2_hash_verifies_however_long_the_password(password: str) -> None:
    theirs = ARGON2.hash(password)
    assert await verify_password(password, theirs)
    for wrong in ("", password + "x", password[:72] if len(password) > 72 else "x"):
        assert not await verify_password(wrong, theirs)


@pytest.mark.parametrize(
    "theirs", [ARGON2.hash(PASSWORD), BcryptHasher(10).hash(PASSWORD)], ids=["argon2", "bcrypt"]
)
async def test_an_old_hash_is_upgraded_when_the_password_is_right(theirs: str) -> None:
    assert await verify_and_upgrade("wrong", theirs) == (False, None)
    right, upgraded = await verify_and_upgrade(PASSWORD, theirs)
    assert right
    assert upgraded is not None
    assert upgraded.startswith("$2b$12$")
    assert await verify_and_upgrade(PASSWORD, upgraded) == (True, None)


async def test_a_hash_that_costs_more_than_ours_stays() -> None:
    theirs = BcryptHasher(13).hash("plain")
    assert await verify_and_upgrade("plain", theirs) == (True, None)


@pytest.mark.parametrize("prefix", ["2a", "2y"])
async def test_bcrypts_older_names_verify_and_are_upgraded_by_their_cost(prefix: str) -> None:
    theirs = BcryptHasher(4).hash("plain").replace("$2b$", f"${prefix}$")
    right, upgraded = await verify_and_upgrade("plain", theirs)
    assert right
    assert upgraded is not None


async def test_an_argon2_password_that_bcrypt_cannot_take_stays_argon2s() -> None:
    long = "é" * 37
    assert await verify_and_upgrade(long, ARGON2.hash(long)) == (True, None)


@pytest.mark.parametrize(
    "unusable",
    [
        None, "", "!", "plain", "$2b$12$short", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$x$y",
        "$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHRzYWx0$h2e2Ig38QnfJWX9d1sbm8g",
        "$argon2id$v=99$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$h2e2Ig38QnfJWX9d1sbm8g",
        "pbkdf2_sha256$1$salt$hash", "{SSHA}x", "$2b$99$" + "x" * 53, "$2b$03$" + "x" * 53,
    ],
)  # fmt: skip
async def test_what_is_no_hash_upgrades_to_nothing(unusable: str | None) -> None:
    assert await verify_and_upgrade("plain", unusable) == (False, None)


async def test_upgrading_takes_as_long_for_nobody_as_for_a_wrong_password(hashed: str) -> None:
    async def right(hashed: str | None) -> bool:
        return (await verify_and_upgrade("wrong", hashed))[0]

    known = await seconds_of_work(right(hashed))
    assert known / 2 < await seconds_of_work(right(None)) < known * 2
