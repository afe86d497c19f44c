"""What looks like a secret is hidden before it is written anywhere: by its name, by its look, or
because the app's settings hold it. It errs on the side of hiding."""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "[hidden]"
_DEEPEST, _MOST_ITEMS, _LONGEST = 8, 200, 50_000
_SHORTEST_KNOWN = 8  # a value of the settings; shorter ones would be found in ordinary words
_SHORTEST_ANYWHERE = 12  # also in the middle of a word

# where a word begins; in a repr it may follow a backslash and an n
_START = r"(?:(?<![\w-])|(?<=\\[nrt]))"
_PART = r"(?:(?<![a-z0-9])|(?<=\\[nrt]))"  # of a name: x-auth, user_otp
_NAMES = (
    r"pass(?:word|wd|phrase|code)|secret|token|authoriz|cookie|credential|csrf|xsrf|signature"
    r"|(?:api|access|private|signing|encryption|master|account|auth)[_-]?key|session[_-]?id|query_string"
    rf"|{_PART}(?:pwd|auth|sid|otp|sig)(?![a-z0-9])"
)
_NAME = re.compile(_NAMES, re.IGNORECASE)

# Each is linear in the length of the text: what repeats is bounded, or cannot start again inside
# itself. They are applied in this order.
_RULES = [
    (re.compile(pattern, flags), instead)
    for pattern, flags, instead in [
        # keys, hashes and tokens, by their look
        (
            r"-----BEGIN[^-\n]{0,40}PRIVATE KEY-----.*?(?:-----END[^-\n]{0,40}-----|\Z)"
            rf"|{_START}eyJ[\w-]+\.[\w.-]+|\$2[abxy]\$\d\d\$[./\w]{{53}}|\$argon2[^\s'\"]+"
            rf"|{_START}sk-[\w-]{{16,}}",
            re.DOTALL,
            HIDDEN,
        ),
        (r"(bearer|basic)[ \t]+[^\s'\",]+", re.IGNORECASE, rf"\1 {HIDDEN}"),
        # user:password@host, and the values of a query, in a URL
        (r"(://[^\s:/@'\"]*:)(?!\d{1,5}[/?#])(?:(?!://)\S)*@", 0, rf"\1{HIDDEN}@"),
        (r"(\w://[^\s?#'\"<>]*\?)[^\s'\"<>]+", 0, rf"\1{HIDDEN}"),
        # headers, whose values have spaces
        (r"((?:set-)?cookie2?|(?:proxy-)?authorization)\s*[:=][^\r\n]+", re.I, rf"\1: {HIDDEN}"),
        # name=value, name: value, "name": "value" and 'name', 'value'; SQL's placeholders stay
        (
            rf"((?:{_NAMES})(?!s[\"']?\s*[:=]\s*\d+\b)[\w.-]{{0,40}}"
            r"(?:\\{0,7}[\"']\s*[:=,]|\s*[:=])\s*)"
            r"(?!\$\d+(?:::|[\s,)]|$))"
            r"(?:[bru]?(?P<quote>\\{0,7}[\"']).*?(?<!\\)(?P=quote)"
            r"|\[[^\]]{0,2000}\]|\([^)]{0,2000}\)|\{[^}]{0,2000}\}|[^\s&]+)",
            re.IGNORECASE | re.DOTALL,
            rf"\1{HIDDEN}",
        ),
        # values in the words of Postgres, asyncpg, SQLAlchemy, pydantic and FastAPI
        (
            r"DETAIL:.*?(?=\n[ |]*(?:HINT: |The above exception|During handling of|\+-)|\Z)",
            re.DOTALL,
            f"DETAIL: {HIDDEN}",
        ),
        (r"(for query argument \$\d+: ).*?( \([^()\n]*\))?$", re.MULTILINE, rf"\1{HIDDEN}\2"),
        (r"(invalid input (?:syntax|value) for [^:\n]{0,80}: )\"[^\n]*\"", 0, rf"\1{HIDDEN}"),
        (r"(\[parameters: )[^\n]*", 0, rf"\1{HIDDEN}]"),
        (r"(input_value=)(?:(?!input_value=).)*?(, input_type=)", re.DOTALL, rf"\1{HIDDEN}\2"),
        (r"('input': )[^\n]*", 0, rf"\1{HIDDEN}"),
    ]
]
# without any of these, no rule applies
_SUSPICIOUS = re.compile(r"[:='\"$]|eyJ|sk-|-----BEGIN|bearer|basic", re.IGNORECASE)

_known: set[str] = set()
_known_pattern: re.Pattern[str] | None = None


def hide(secrets: Iterable[str]) -> None:
    """Hide these values wherever they occur, from now on. Shorter than 8 characters: not."""
    global _known_pattern
    _known.update(secret for secret in secrets if len(secret) >= _SHORTEST_KNOWN)
    longest_first = sorted(_known, key=len, reverse=True)
    _known_pattern = re.compile("|".join(map(_literally, longest_first))) if _known else None
    _known_name.cache_clear()


def _literally(secret: str) -> str:
    text = re.escape(secret)
    return text if len(secret) >= _SHORTEST_ANYWHERE else rf"(?<!\w){text}(?!\w)"


def redacted_text(text: str) -> str:
    """The text without what looks like a secret. What is very long is cut."""
    if len(text) > _LONGEST:  # at a space, so that no secret loses the part that gives it away
        text = text[:_LONGEST].rpartition(" ")[0] + " …"
    if _known_pattern is not None:
        text = _known_pattern.sub(HIDDEN, text)
    if _SUSPICIOUS.search(text):
        for pattern, instead in _RULES:
            text = pattern.sub(instead, text)
    return text


def redacted(value: Any, depth: int = 0) -> Any:
    """The value as JSON has it, secrets hidden at any depth. What is no JSON becomes text; what is
    very deep or long is cut. Raises nothing, whatever the value does."""
    if isinstance(value, str):
        return redacted_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        if isinstance(value, Mapping):
            return _redacted_mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return _redacted_list(value, depth)
        if isinstance(value, bytes | bytearray):
            return redacted_text(value[:_LONGEST].decode(errors="backslashreplace"))
        return redacted_text(str(value))
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def _redacted_mapping(value: Mapping[Any, Any], depth: int) -> Any:
    if depth == _DEEPEST:
        return "…"
    found: dict[str, Any] = {}
    for key, item in value.items():
        if len(found) == _MOST_ITEMS:
            found["…"] = "…"
            break
        name, is_secret = _name(key)
        hides = is_secret and _may_be_secret(item, name)
        found[name] = HIDDEN if hides else redacted(item, depth + 1)
    return found


def _redacted_list(value: Iterable[Any], depth: int) -> Any:
    if depth == _DEEPEST:
        return "…"
    items = list(value)
    if len(items) == 2 and isinstance(items[0], str | bytes):
        name, is_secret = _name(items[0])
        if is_secret:  # a header
            return [name, HIDDEN]
    cut = ["…"] if len(items) > _MOST_ITEMS else []
    return [redacted(item, depth + 1) for item in items[:_MOST_ITEMS]] + cut


def _name(key: object) -> tuple[str, bool]:
    """The name of a value, as it may be written; and whether such values are secrets."""
    text = key.decode(errors="backslashreplace") if isinstance(key, bytes) else str(key)
    return _known_name(text) if len(text) <= 100 else _known_name.__wrapped__(text)


@lru_cache(maxsize=1000)
def _known_name(text: str) -> tuple[str, bool]:
    return redacted_text(text), _NAME.search(text) is not None


def _may_be_secret(value: object, name: str) -> bool:
    if value is None or isinstance(value, bool):
        return False
    return not (isinstance(value, int) and name.endswith("tokens"))  # which are counted
