"""How passwords are kept, told from what the app stored of one that is known."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from apiwright.checks.app import Answer
from apiwright.checks.canaries import CHANGED, changed_password
from apiwright.checks.operations import Operation
from apiwright.checks.telling import operation_of
from apiwright.checks.values import PASSWORD
from apiwright.checks.world import World

_COLUMN = re.compile(r"passw|(^|_)pwd|hash|secret", re.IGNORECASE)
_FEWEST_ROUNDS = 10  # of bcrypt; OWASP's least
_FEWEST_ITERATIONS = 100_000
_QUICK = (32, 40, 56, 64, 96, 128)  # digits of a hash in hexadecimal
_TIME_OF_A_HASH = 0.02


@dataclass(frozen=True)
class Kept:
    place: str
    """Table and column."""
    how: str
    """In words: as it is; its MD5."""
    plain: bool
    value: str
    operation: Operation | None
    """By which it came."""
    answer: Answer | None


@lru_cache(maxsize=1)
def kept(world: World) -> tuple[Kept, ...]:
    """Bad ways alone."""
    if world.a is None:
        return ()
    changed = changed_password(world)
    registered = _registration(world)
    found: dict[tuple[str, str], Kept] = {}
    for table in world.database.tables():
        for row in world.database.rows(table):
            for column, value in row.items():
                if not isinstance(value, str) or not value:
                    continue
                seconds = registered[1].seconds if registered[1] is not None else 1.0
                weak = weakly(value, seconds) if _COLUMN.search(column) else None
                how = plainly(value) or weak
                if how is None:
                    continue
                plain = plainly(value) is not None
                operation, answer = registered
                if changed is not None and _is_of(CHANGED, value):
                    operation, answer = changed
                place = f"{table}.{column}"
                found.setdefault((place, how), Kept(place, how, plain, value, operation, answer))
    return tuple(found.values())


def plainly(value: str) -> str | None:
    """How a password stands in it, where it can be read."""
    for password in (PASSWORD, CHANGED):
        if password in value:
            return "as it is"
        if password[::-1] in value:
            return "backwards"
        if base64.b64encode(password.encode()).decode().rstrip("=") in value:
            return "in base64"
        if password.encode().hex() in value:
            return "in hexadecimal"
    return None


def weakly(value: str, seconds: float) -> str | None:
    """`seconds`: in which it was made, and all else that registering takes."""
    for name in ("md5", "sha1", "sha256", "sha512", "sha224", "sha384"):
        for password in (PASSWORD, CHANGED):
            digest = hashlib.new(name, password.encode())
            if value in (digest.hexdigest(), base64.b64encode(digest.digest()).decode()):
                return f"as its {name.upper()}, without a salt"
    if rounds := re.match(r"\$2[abxy]?\$(\d\d)\$", value):
        few = int(rounds[1]) < _FEWEST_ROUNDS
        return f"by bcrypt of cost {int(rounds[1])}, a moment's work" if few else None
    if rounds := re.match(r"\$?pbkdf2[_:-]?(?:sha\d+)?[$:](?:\w*\$)?(\d+)\$", value):
        few = int(rounds[1]) < _FEWEST_ITERATIONS
        return f"by {rounds[1]} rounds of PBKDF2, too few" if few else None
    if re.match(r"\$(1|5|6)\$|\{SHA\}|\$apr1\$", value):
        return "by a hash of another time"
    if len(value) in _QUICK and re.fullmatch(r"[0-9a-f]+", value) and seconds < _TIME_OF_A_HASH:
        return f"as a hash that was made in {seconds * 1000:.0f} ms"
    return None


def _is_of(password: str, value: str) -> bool:
    digests = [hashlib.new(one, password.encode()).hexdigest() for one in ("md5", "sha1", "sha256")]
    return password in value or value in digests


def _registration(world: World) -> tuple[Operation | None, Answer | None]:
    """By which A came in."""
    sent = [str(one) for one in (world.a.known.values() if world.a else ()) if len(str(one)) > 5]
    for answer in world.app.heard:
        text = answer.request.body.decode(errors="replace").replace("%40", "@")
        text += answer.request.path.replace("%40", "@")
        if answer.ok and any(one in text for one in sent):
            return operation_of(world, answer), answer
    return None, None


def evidence(one: Kept) -> Iterator[str]:
    if one.answer is not None:
        yield str(one.answer)
    yield f"stored in {one.place}: {one.value[:12]}…"
