"""Tokens that are read and made, against the library that apps use."""

import jwt
import pytest

from apiwright.checks import tokens

KEY = b"of 32 bytes and more, as it should be"
CLAIMS = {"sub": "7", "exp": 4102444800, "name": "Zoë"}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_is_signed_as_the_library_signs(algorithm: str) -> None:
    key = KEY * 2
    text = tokens.signed({"alg": algorithm, "typ": "JWT"}, CLAIMS, key)
    assert jwt.decode(text, key, algorithms=[algorithm]) == CLAIMS
    read = tokens.read(jwt.encode(CLAIMS, key, algorithm))
    assert read is not None
    assert read.claims == CLAIMS
    assert read.is_signed_with(key)
    assert not read.is_signed_with(b"another")


def test_claims_are_changed_and_left_out() -> None:
    read = tokens.read(jwt.encode(CLAIMS, KEY, "HS256"))
    assert read is not None
    assert jwt.decode(read.signed(KEY, exp=None, sub="8"), KEY, algorithms=["HS256"]) == {
        "sub": "8",
        "name": "Zoë",
    }
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(read.changed(sub="8"), KEY, algorithms=["HS256"])


def test_a_token_without_an_algorithm_has_no_signature() -> None:
    read = tokens.read(jwt.encode(CLAIMS, KEY, "HS256"))
    assert read is not None
    assert jwt.decode(read.signed(b"", {"alg": "none"}), options={"verify_signature": False})
    assert read.signed(b"", {"alg": "nOnE"}).endswith(".")


@pytest.mark.parametrize("text", [None, "", "opaque", "a.b.c", "e30.e30.", "é.é.é", "W10.W10.x"])
def test_what_is_no_token_is_not_read(text: str | None) -> None:
    assert tokens.read(text) is None
