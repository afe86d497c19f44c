"""How a password is kept, told from what is stored."""

import hashlib

import pytest

from apiwright.checks.kept import plainly, weakly
from apiwright.checks.values import PASSWORD


@pytest.mark.parametrize(
    ("value", "how"),
    [
        (PASSWORD, "as it is"),
        (f"plain:{PASSWORD}", "as it is"),
        (PASSWORD[::-1], "backwards"),
        ("Q29ycmVjdC1ob3JzZS05IQ==", "in base64"),
        ("$2b$12$34nFX8//4IngYVuLe9k01e64m6wLBMVM0K6.VM9TZn78bFd8uSWO6", None),
    ],
)
def test_a_password_that_can_be_read_is_seen(value: str, how: str | None) -> None:
    assert plainly(value) == how


@pytest.mark.parametrize(
    ("value", "is_weak"),
    [
        (hashlib.md5(PASSWORD.encode()).hexdigest(), True),  # noqa: S324
        (hashlib.sha256(PASSWORD.encode()).hexdigest(), True),
        (hashlib.sha256(b"with a salt" + PASSWORD.encode()).hexdigest(), True),
        ("$2b$04$34nFX8//4IngYVuLe9k01e64m6wLBMVM0K6.VM9TZn78bFd8uSWO6", True),
        ("$2b$12$34nFX8//4IngYVuLe9k01e64m6wLBMVM0K6.VM9TZn78bFd8uSWO6", False),
        ("pbkdf2_sha256$1000$c2FsdA$aGFzaA", True),
        ("pbkdf2_sha256$600000$c2FsdA$aGFzaA", False),
        ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", False),
        ("scrypt:32768:8:1$salt$" + "0" * 128, False),
    ],
)
def test_a_quick_hash_is_weak(value: str, is_weak: bool) -> None:
    assert (weakly(value, seconds=0.005) is not None) == is_weak


def test_a_hash_that_took_its_time_is_not_called_weak_by_its_look() -> None:
    value = hashlib.sha256(b"with a salt" + PASSWORD.encode()).hexdigest()
    assert weakly(value, seconds=0.2) is None
