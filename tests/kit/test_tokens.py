import base64
import hashlib
import hmac
import json
import time
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from apiwright.kit import tokens
from apiwright.kit.tokens import AccessClaims, InvalidToken, RefreshClaims, Tokens

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
    text = unsigned(header, body)
    return f"{text}.{encoded(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def signed_by(key: Ed25519PrivateKey, header: object, body: object) -> str:
    text = unsigned(header, body)
    return f"{text}.{encoded(key.sign(text.encode()))}"


def unsigned(header: object, body: object) -> str:
    return ".".join(
        encoded(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, body)
    )


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def kid_of(key: str) -> str:
    issued = Tokens(key, APP, 900).issue(ADA).access_token
    kid: str = jwt.get_unverified_header(issued)["kid"]
    return kid


HEADER = {"alg": "HS256", "typ": "JWT", "kid": kid_of(KEY)}


def refused(shop: Tokens, token: str) -> None:
    for _ in range(2):  # nor the second time, out of what is remembered
        with pytest.raises(InvalidToken) as error:
            shop.verify(token)
        assert str(error.value) == ""
        assert error.value.__cause__ is None


def test_a_token_says_whom_it_was_issued_to(shop: Tokens) -> None:
    bob = uuid4()
    for user_id in (ADA, bob, ADA):
        assert shop.verify(shop.issue(user_id).access_token).user_id == user_id


def test_another_process_of_the_app_understands_it(shop: Tokens) -> None:
    assert Tokens(KEY, APP, 60).verify(shop.issue(ADA).access_token).user_id == ADA


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
    verified = shop.verify(signed(HEADER, claims(exp=2**40)))
    assert verified == AccessClaims(ADA, None, 2.0**40)


def test_another_key_signs_in_vain(shop: Tokens) -> None:
    refused(shop, Tokens("x" * 32, APP, 900).issue(ADA).access_token)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 0, ["HS256"], {"HS256": 1}])
def test_an_unsigned_token_is_refused(shop: Tokens, alg: object) -> None:
    token = signed(HEADER | {"alg": alg}, claims())
    refused(shop, token)
    refused(shop, token.rpartition(".")[0] + ".")
    refused(shop, token.rpartition(".")[0])


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_only_one_algorithm_is_accepted(algorithm: str) -> None:
    key = KEY * 2
    headers = {"kid": kid_of(key)}
    refused(Tokens(key, APP, 900), jwt.encode(claims(), key, algorithm, headers=headers))


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
        {"sid": None}, {"sid": ""}, {"sid": "x"}, {"sid": 5}, {"sid": [str(ADA)]},
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
    "extra", [{"crit": ["x"]}, {"b64": False, "crit": ["b64"]}, {"jku": 5, "crit": []}]
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
            assert brief.verify(token).user_id == ADA
    refused(brief, token)
    assert brief._verified == {}


def test_only_so_many_are_remembered_and_all_are_accepted(
    shop: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_MOST_VERIFIED", 10)
    users = [uuid4() for _ in range(50)]
    issued = [shop.issue(user_id).access_token for user_id in users]
    for _ in range(2):
        assert [shop.verify(token).user_id for token in issued] == users
        assert len(shop._verified) == 10


def test_refused_ones_are_not_remembered(shop: Tokens) -> None:
    for n in range(100):
        with pytest.raises(InvalidToken):
            shop.verify(f"{n}")
    assert shop._verified == {}


# the key that a token names


@pytest.mark.parametrize(
    "kid",
    [
        None, 5, True, 1.5, "", " ", "../../", "/dev/null", "0", "__class__", [HEADER["kid"]],
        {"kid": HEADER["kid"]}, HEADER["kid"].upper(), HEADER["kid"] + "\0", HEADER["kid"][:-1],
        "' OR 1=1 --", "https://evil.example/key", kid_of("x" * 32),
    ],
    ids=str,
)  # fmt: skip
def test_a_key_that_is_not_ours_is_refused_by_its_name(shop: Tokens, kid: object) -> None:
    refused(shop, signed(HEADER | {"kid": kid}, claims()))


def test_a_token_that_names_no_key_is_refused(shop: Tokens) -> None:
    refused(shop, signed({"alg": "HS256", "typ": "JWT"}, claims()))


def test_the_name_of_a_key_does_not_tell_it() -> None:
    assert KEY not in kid_of(KEY)
    assert kid_of(KEY) != hashlib.sha256(KEY.encode()).hexdigest()[:16]


def test_a_token_of_one_of_our_keys_that_names_the_other_is_refused() -> None:
    other = "o" * 32
    both = Tokens(KEY, APP, 900, previous=[other])
    assert both.verify(signed(HEADER | {"kid": kid_of(other)}, claims(), other)).user_id == ADA
    refused(both, signed(HEADER | {"kid": kid_of(other)}, claims()))
    refused(both, signed(HEADER, claims(), other))


# Ed25519

PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
OTHERS = Ed25519PrivateKey.from_private_bytes(b"\2" * 32)

SomeKey = Ed25519PrivateKey | ed448.Ed448PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def pem(key: SomeKey, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public_pem(key: SomeKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def eddsa() -> Tokens:
    return Tokens(pem(PRIVATE), APP, 900)


ED_HEADER = {"alg": "EdDSA", "typ": "JWT", "kid": kid_of(pem(PRIVATE))}


def test_an_ed25519_key_signs_and_its_public_part_verifies(eddsa: Tokens) -> None:
    token = eddsa.issue(ADA).access_token
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
    theirs = Tokens(KEY, APP, 900, previous=[public_pem(PRIVATE)])
    for each in (eddsa, theirs):
        assert each.verify(token).user_id == ADA
        assert each.verify(signed_by(PRIVATE, ED_HEADER, claims())).user_id == ADA
    refused(Tokens(KEY, APP, 900), token)


@pytest.mark.parametrize("secret", [pem(PRIVATE), public_pem(PRIVATE), public_pem(PRIVATE).strip()])
def test_what_others_know_of_the_key_is_no_secret_that_signs(eddsa: Tokens, secret: str) -> None:
    for alg in ("HS256", "EdDSA"):
        forged = signed(ED_HEADER | {"alg": alg}, claims(), secret)
        refused(eddsa, forged)
        refused(Tokens(KEY, APP, 900, previous=[public_pem(PRIVATE)]), forged)


@pytest.mark.parametrize("around", ["{}", "\n\n{}", "  {}  ", "\ufeff{}", "ours:\n{}"])
def test_a_public_key_never_becomes_a_secret_whatever_stands_around_it(around: str) -> None:
    public = around.format(public_pem(PRIVATE))
    try:
        shop = Tokens(KEY, APP, 900, previous=[public])
    except ValueError:
        return
    kid = hmac.digest(public.encode(), b"key id", "sha256").hex()[:16]
    for name in (kid, ED_HEADER["kid"]):
        refused(shop, signed(HEADER | {"kid": name}, claims(), public))


@pytest.mark.parametrize("alg", ["none", "", None, "HS256", "RS256", "ES256", "Ed448", "eddsa"])
def test_an_ed25519_signature_under_another_algorithms_name_is_refused(
    eddsa: Tokens, alg: object
) -> None:
    refused(eddsa, signed_by(PRIVATE, ED_HEADER | {"alg": alg}, claims()))
    refused(eddsa, unsigned(ED_HEADER | {"alg": alg}, claims()) + ".")


def test_a_token_cannot_bring_its_own_key(eddsa: Tokens, shop: Tokens) -> None:
    theirs = Tokens(pem(OTHERS), APP, 900)
    (jwk,) = theirs.jwks["keys"]
    brought = {"jwk": jwk, "jku": "http://127.0.0.1/jwks.json", "x5u": "http://127.0.0.1/x"}
    for kid in (jwk["kid"], ED_HEADER["kid"], HEADER["kid"]):
        forged = signed_by(OTHERS, ED_HEADER | brought | {"kid": kid}, claims())
        refused(eddsa, forged)
        refused(shop, forged)
    secret = {"jwk": {"kty": "oct", "k": encoded(b"x" * 32)}}
    refused(shop, signed(HEADER | secret, claims(), "x" * 32))


def test_the_public_keys_are_published_and_nothing_else(eddsa: Tokens) -> None:
    (jwk,) = eddsa.jwks["keys"]
    assert jwk.keys() == {"kty", "crv", "x", "kid", "use", "alg"}  # no "d"
    assert (jwk["kid"], jwk["alg"]) == (ED_HEADER["kid"], "EdDSA")
    token = eddsa.issue(ADA).access_token
    verified = jwt.decode(token, jwt.PyJWK(jwk), algorithms=["EdDSA"], audience=APP)
    assert verified["sub"] == str(ADA)


def test_a_shared_secret_is_not_published(shop: Tokens) -> None:
    assert shop.jwks == {"keys": []}
    mixed = Tokens(KEY, APP, 900, previous=["o" * 32, pem(PRIVATE), public_pem(PRIVATE)])
    assert [key["kid"] for key in mixed.jwks["keys"]] == [ED_HEADER["kid"]]


def test_the_kid_is_the_keys_thumbprint() -> None:
    """RFC 8037, appendix A: the same for everybody who has the key."""
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    d = encoded(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(d + "="))
    (jwk,) = Tokens(pem(key), APP, 900).jwks["keys"]
    assert (jwk["x"], jwk["kid"]) == (x, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")


@pytest.mark.parametrize(
    "key",
    [
        pem(ed448.Ed448PrivateKey.generate()), public_pem(ed448.Ed448PrivateKey.generate()),
        pem(rsa.generate_private_key(65537, 2048)), pem(ec.generate_private_key(ec.SECP256R1())),
        pem(PRIVATE, b"a password"), pem(PRIVATE)[:60], "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----",
        PRIVATE.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    ],
)  # fmt: skip
def test_other_keys_are_refused_in_words_that_do_not_repeat_them(key: str) -> None:
    for signing, previous in ((key, ()), (KEY, (key,))):
        with pytest.raises(ValueError, match="an Ed25519 key in PEM, or it is damaged") as error:
            Tokens(signing, APP, 900, previous=previous)
        assert key.splitlines()[-1] not in str(error.value)
        assert error.value.__cause__ is None


def test_a_public_key_signs_nothing() -> None:
    with pytest.raises(ValueError, match="this one is public"):
        Tokens(public_pem(PRIVATE), APP, 900)


# a key that is changed


@pytest.mark.parametrize(
    ("old", "new"),
    [(KEY, "n" * 32), (KEY, pem(PRIVATE)), (pem(PRIVATE), KEY), (pem(OTHERS), pem(PRIVATE))],
)
def test_the_old_key_verifies_and_the_new_one_signs(old: str, new: str) -> None:
    before = Tokens(old, APP, 900).issue_for_login(ADA, uuid4(), 1)
    between = Tokens(new, APP, 900, previous=[old])
    assert between.verify(before.access_token).user_id == ADA
    assert between.verify_refresh(before.refresh_token).generation == 1
    issued = between.issue_for_login(ADA, uuid4(), 2)
    after = Tokens(new, APP, 900)
    assert after.verify(issued.access_token).user_id == ADA
    assert after.verify_refresh(issued.refresh_token).generation == 2
    refused(after, before.access_token)
    refused_refresh(after, before.refresh_token)
    refused(Tokens(old, APP, 900), issued.access_token)


# refresh tokens


def refused_refresh(shop: Tokens, token: str) -> None:
    with pytest.raises(InvalidToken) as error:
        shop.verify_refresh(token)
    assert error.value.__cause__ is None


def test_the_tokens_of_a_login_name_it(shop: Tokens) -> None:
    login_id = uuid4()
    issued = shop.issue_for_login(ADA, login_id, 7)
    claims = shop.verify(issued.access_token)
    assert (claims.user_id, claims.login_id) == (ADA, login_id)
    assert shop.verify_refresh(issued.refresh_token) == RefreshClaims(login_id, 7)


def test_a_refresh_token_is_no_access_token_and_the_other_way_round(shop: Tokens) -> None:
    issued = shop.issue_for_login(ADA, uuid4(), 0)
    for _ in range(2):
        refused(shop, issued.refresh_token)
        refused_refresh(shop, issued.access_token)
        shop.verify(issued.access_token)
        shop.verify_refresh(issued.refresh_token)
    refused_refresh(shop, shop.issue(ADA).access_token)


def test_a_refresh_token_lives_its_own_time() -> None:
    brief = Tokens(KEY, APP, 900, refresh_lifetime=-1)
    issued = brief.issue_for_login(ADA, uuid4(), 0)
    brief.verify(issued.access_token)
    refused_refresh(brief, issued.refresh_token)
    long = Tokens(KEY, APP, -1).issue_for_login(ADA, uuid4(), 0)
    Tokens(KEY, APP, 900).verify_refresh(long.refresh_token)


@pytest.mark.parametrize(
    "changed", [{"sid": None}, {"sid": "x"}, {"gen": None}, {"gen": "x"}, {"gen": [0]}, {"jti": 5}]
)
def test_a_refresh_token_with_claims_of_the_wrong_kind_is_refused(
    shop: Tokens, changed: dict[str, Any]
) -> None:
    ours = claims(aud=f"{APP}:refresh", sid=str(ADA), gen=0)
    assert shop.verify_refresh(signed(HEADER, ours)).generation == 0
    refused_refresh(shop, signed(HEADER, ours | changed))
    for name in changed:
        refused_refresh(shop, signed(HEADER, {k: v for k, v in ours.items() if k != name}))
