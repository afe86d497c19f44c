import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiwright.kit import tokens
from apiwright.kit.tokens import InvalidToken, Tokens

KEY, APP, ADA = "k" * 32, "shop", UUID("0193a0c2-7b1e-7abc-8def-0123456789ab")


@pytest.fixture
def shop() -> Tokens:
    return Tokens(KEY, APP, 900)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    ours = {"sub": str(ADA), "iss": APP, "aud": APP, "iat": now, "exp": now + 900, "jti": "1"}
    return ours | changed


def signed(header: object, body: object, key: str = KEY) -> str:
    """A token that PyJWT would not make."""
    parts = [
        encoded(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, body)
    ]
    text = ".".join(parts)
    return f"{text}.{encoded(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HEADER = {"alg": "HS256", "typ": "JWT"}


def refused(shop: Tokens, token: str) -> None:
    for _ in range(2):  # nor the second time, out of what is remembered
        with pytest.raises(InvalidToken) as error:
            shop.verify(token)
        assert str(error.value) == ""
        assert error.value.__cause__ is None


def test_a_token_says_whom_it_was_issued_to(shop: Tokens) -> None:
    bob = uuid4()
    for user_id in (ADA, bob, ADA):
        assert shop.verify(shop.issue(user_id).access_token) == user_id


def test_another_process_of_the_app_understands_it(shop: Tokens) -> None:
    assert Tokens(KEY, APP, 60).verify(shop.issue(ADA).access_token) == ADA


def test_it_says_how_long_it_lives(shop: Tokens) -> None:
    issued = shop.issue(ADA)
    assert (issued.expires_in, issued.token_type) == (900, "bearer")
    told = jwt.decode(issued.access_token, options={"verify_signature": False})
    assert told["exp"] - told["iat"] == 900


def test_two_of_one_second_differ(shop: Tokens) -> None:
    assert shop.issue(ADA).access_token != shop.issue(ADA).access_token


def test_it_tells_nothing_but_the_user(shop: Tokens) -> None:
    told = jwt.decode(shop.issue(ADA).access_token, options={"verify_signature": False})
    assert told.keys() == {"sub", "iss", "aud", "iat", "exp", "jti"}


def test_the_tokens_made_by_hand_here_would_be_accepted(shop: Tokens) -> None:
    assert shop.verify(signed(HEADER, claims())) == ADA


def test_another_key_signs_in_vain(shop: Tokens) -> None:
    refused(shop, Tokens("x" * 32, APP, 900).issue(ADA).access_token)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 0, ["HS256"], {"HS256": 1}])
def test_an_unsigned_token_is_refused(shop: Tokens, alg: object) -> None:
    unsigned = signed({"alg": alg, "typ": "JWT"}, claims())
    refused(shop, unsigned)
    refused(shop, unsigned.rpartition(".")[0] + ".")
    refused(shop, unsigned.rpartition(".")[0])


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_only_one_algorithm_is_accepted(shop: Tokens, algorithm: str) -> None:
    refused(shop, jwt.encode(claims(), KEY * 2, algorithm))


@pytest.mark.parametrize("claim", ["sub", "iss", "aud", "iat", "exp", "jti"])
def test_every_claim_is_needed(shop: Tokens, claim: str) -> None:
    without = claims()
    del without[claim]
    refused(shop, signed(HEADER, without))
    refused(shop, signed(HEADER, claims(**{claim: None})))


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "else"}, {"iss": [APP]}, {"iss": ""}, {"iss": "Shop"},
        {"aud": "else"}, {"aud": ["else"]}, {"aud": []}, {"aud": "sho"}, {"aud": f"{APP} "},
        {"sub": "ada"}, {"sub": ""}, {"sub": 5}, {"sub": f"{ADA}'--"}, {"sub": [str(ADA)]},
        {"exp": "soon"}, {"exp": [2**40]}, {"exp": float("nan")}, {"exp": float("inf")},
        {"exp": 0}, {"exp": -1}, {"iat": 2**40}, {"iat": "now"}, {"nbf": 2**40}, {"jti": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_claim_of_the_wrong_kind_is_refused_though_signed(
    shop: Tokens, changed: dict[str, Any]
) -> None:
    refused(shop, signed(HEADER, claims(**changed)))


def test_an_app_with_the_same_key_is_another_app(shop: Tokens) -> None:
    refused(shop, Tokens(KEY, "blog", 900).issue(ADA).access_token)


def test_no_character_of_it_can_be_changed(shop: Tokens) -> None:
    token = shop.issue(ADA).access_token
    shop.verify(token)
    for place in range(len(token) - 1):  # of the last one, two bits mean nothing
        other = "A" if token[place] != "A" else "B"
        with pytest.raises(InvalidToken):
            shop.verify(token[:place] + other + token[place + 1 :])
    for length in (*range(0, len(token), 10), len(token) - 1):
        with pytest.raises(InvalidToken):
            shop.verify(token[:length])


def test_one_users_signature_does_not_fit_another(shop: Tokens) -> None:
    header, body, _ = shop.issue(uuid4()).access_token.split(".")
    refused(shop, f"{header}.{body}.{shop.issue(ADA).access_token.rpartition('.')[2]}")


@pytest.mark.parametrize("header", [b"[" * 1000, b'{"a":' * 300, b"[]", b"null", b"NaN", b"{", b""])
@pytest.mark.parametrize("body", [b"[" * 400, b"[]", b'"' + str(ADA).encode() + b'"', b"1" * 1400])
def test_what_is_no_token_is_refused_quietly(shop: Tokens, header: bytes, body: bytes) -> None:
    refused(shop, signed(header, claims()))
    refused(shop, signed(HEADER, body))


@pytest.mark.parametrize(
    "extra", [{"crit": ["x"]}, {"b64": False, "crit": ["b64"]}, {"kid": 5}, {"jku": 5, "crit": []}]
)
def test_a_header_that_asks_for_more_is_refused(shop: Tokens, extra: dict[str, Any]) -> None:
    refused(shop, signed(HEADER | extra, claims()))


@given(st.text() | st.text("eyJhbGciOiJIUzI1NiJ9.-_=", max_size=300))
def test_garbage_is_refused_quietly(text: str) -> None:
    with pytest.raises(InvalidToken):
        Tokens(KEY, APP, 900).verify(text)


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "\0", "é.é.é", "\ud800.a.b", "a b c", "日" * 9]
)
def test_odd_garbage_is_refused_quietly(shop: Tokens, text: str) -> None:
    refused(shop, text)


@pytest.mark.parametrize("unit", ["a", ".", "é", "["])
def test_a_huge_one_is_refused_at_once(shop: Tokens, unit: str) -> None:
    started = time.process_time()
    refused(shop, unit * 5_000_000)
    assert time.process_time() - started < 0.1


def test_a_longer_one_than_the_app_makes_is_refused_and_so_not_remembered(shop: Tokens) -> None:
    refused(shop, signed(HEADER, claims(more="x" * 2000)))
    head, _, tail = shop.issue(ADA).access_token.rpartition(".")
    refused(shop, f"{head}.{'!' * 5000}{tail}")  # base64 may skip what is not of its alphabet


def test_it_expires(shop: Tokens) -> None:
    now = int(time.time())
    refused(shop, signed(HEADER, claims(iat=now - 900, exp=now - 1)))
    refused(shop, Tokens(KEY, APP, -1).issue(ADA).access_token)


def test_it_expires_though_it_was_remembered() -> None:
    brief = Tokens(KEY, APP, 1)
    token = brief.issue(ADA).access_token
    ended = time.time() + 1
    with pytest.raises(InvalidToken):
        while time.time() < ended + 0.5:
            assert brief.verify(token) == ADA
    refused(brief, token)
    assert brief._verified == {}


def test_only_so_many_are_remembered_and_all_are_accepted(
    shop: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MOST_VERIFIED", 10)
    users = [uuid4() for _ in range(50)]
    issued = [shop.issue(user_id).access_token for user_id in users]
    for _ in range(2):
        assert [shop.verify(token) for token in issued] == users
        assert len(shop._verified) == 10


def test_refused_ones_are_not_remembered(shop: Tokens) -> None:
    for n in range(100):
        with pytest.raises(InvalidToken):
            shop.verify(f"{n}")
    assert shop._verified == {}
