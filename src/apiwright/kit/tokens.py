"""Tokens: JSON Web Tokens (RFC 7519) that say who is signed in. Touches no storage."""

import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

_REQUIRED = ["exp", "sub", "iss", "aud", "iat", "jti"]
_MOST_VERIFIED = 10_000
_LONGEST = 2000  # a signature may be stretched with characters that its decoder skips
_FAILURES = (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError)
_NO_KEY = (
    "This key is neither a shared secret nor an Ed25519 key in PEM, or it is damaged. Make one"
    " with `openssl genpkey -algorithm ed25519`."
)


class InvalidToken(Exception):
    """Forged, expired, or not one of ours. Which of these is nobody's business."""


@dataclass(frozen=True)
class AccessToken:
    access_token: str
    expires_in: int
    """Seconds."""
    token_type: str = "bearer"  # noqa: S105  # not a password


@dataclass(frozen=True)
class LoginTokens(AccessToken):
    refresh_token: str = ""
    """Brings the next ones, once."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says."""

    user_id: UUID
    login_id: UUID | None
    """The login that it ends with; None: it ends when it expires."""
    expires_at: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a refresh token says."""

    login_id: UUID
    generation: int
    """How often the login had been refreshed when it was issued."""


class _Key:
    """One key: a shared secret (HS256), or an Ed25519 key in PEM (EdDSA)."""

    def __init__(self, text: str) -> None:
        self.signs: Any = text
        """None: it is the public part, which only verifies."""
        self.verifies: Any = text
        self.public: dict[str, Any] | None = None
        # whatever may be public must never become a secret that signs
        self.algorithm = "EdDSA" if "-----BEGIN" in text else "HS256"
        method = jwt.get_algorithm_by_name(self.algorithm)
        try:
            key: Any = method.prepare_key(text.strip())
        except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError(_NO_KEY) from None
        if self.algorithm == "HS256":
            self.id = hmac.digest(text.encode(), b"key id", "sha256").hex()[:16]
            return
        is_private = hasattr(key, "public_key")
        self.signs = key if is_private else None
        self.verifies = key.public_key() if is_private else key
        made: Any = method.to_jwk(self.verifies, as_dict=True)
        if made["crv"] != "Ed25519":
            raise ValueError(_NO_KEY)
        named = f'{{"crv":"Ed25519","kty":"OKP","x":"{made["x"]}"}}'  # RFC 7638, RFC 8037
        self.id = jwt.utils.base64url_encode(hashlib.sha256(named.encode()).digest()).decode()
        self.public = {"kty": "OKP", "crv": "Ed25519", "x": made["x"]}
        self.public |= {"kid": self.id, "use": "sig", "alg": "EdDSA"}


class Tokens:
    """Issues and verifies the tokens of one app, which is their issuer and their audience."""

    def __init__(
        self,
        key: str,
        app_name: str,
        lifetime: int,
        *,
        previous: Sequence[str] = (),
        refresh_lifetime: int = 30 * 24 * 3600,
    ) -> None:
        """`key` signs: a secret of at least 32 characters, or an Ed25519 private key in PEM.
        `previous` keys still verify what they signed (of an Ed25519 key, the public part is
        enough). Lifetimes in seconds. Raises ValueError for a PEM that is no such key."""
        self._key = _Key(key)
        if self._key.signs is None:
            raise ValueError("The key that signs is the private one; this one is public.")
        self._keys = {one.id: one for one in (*map(_Key, previous), self._key)}
        self.jwks = {"keys": [one.public for one in self._keys.values() if one.public]}
        """The public keys (RFC 7517); none for shared secrets."""
        self._app_name = app_name
        self._refreshes = f"{app_name}:refresh"
        self._lifetime = lifetime
        self.refresh_lifetime = refresh_lifetime
        """Seconds. A login that was not refreshed for that long cannot be any more."""
        self._verified: dict[str, AccessClaims] = {}  # oldest first

    def issue(self, user_id: UUID) -> AccessToken:
        """A token of its own, which nothing revokes before it expires."""
        return AccessToken(
            self._signed(user_id, self._app_name, self._lifetime, {}), self._lifetime
        )

    def issue_for_login(self, user_id: UUID, login_id: UUID, generation: int) -> LoginTokens:
        """The tokens of a login, which end when it does. `generation`: how often it has been
        refreshed so far."""
        login = {"sid": str(login_id)}
        access = self._signed(user_id, self._app_name, self._lifetime, login)
        refresh = self._signed(
            user_id, self._refreshes, self.refresh_lifetime, login | {"gen": generation}
        )
        return LoginTokens(access, self._lifetime, refresh_token=refresh)

    def verify(self, token: str) -> AccessClaims:
        """Whom an access token was issued to. Raises InvalidToken."""
        known = self._verified.get(token)
        if known is not None and known.expires_at > time.time():
            return known
        try:
            claims = self._claims(token, self._app_name)
            login_id = UUID(claims["sid"]) if "sid" in claims else None
            verified = AccessClaims(UUID(claims["sub"]), login_id, float(claims["exp"]))
        except _FAILURES:
            self._verified.pop(token, None)
            raise InvalidToken from None
        if len(self._verified) >= _MOST_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified
        return verified

    def verify_refresh(self, token: str) -> RefreshClaims:
        """Which login a refresh token is of. Raises InvalidToken. That it was not used before is
        for the caller to see: the login's generation is then still the token's."""
        try:
            claims = self._claims(token, self._refreshes)
            return RefreshClaims(UUID(claims["sid"]), int(claims["gen"]))
        except _FAILURES:
            raise InvalidToken from None

    def _signed(self, user_id: UUID, audience: str, lifetime: int, more: dict[str, Any]) -> str:
        now = int(time.time())
        claims = {
            "sub": str(user_id),
            "iss": self._app_name,
            "aud": audience,
            "iat": now,
            "exp": now + lifetime,
            "jti": uuid4().hex,
        }
        key = self._key
        return jwt.encode(claims | more, key.signs, key.algorithm, headers={"kid": key.id})

    def _claims(self, token: str, audience: str) -> dict[str, Any]:
        if len(token) > _LONGEST:
            raise InvalidToken
        # the key, and with it the algorithm, is ours whatever the token says of itself
        key = self._keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token,
            key.verifies,
            algorithms=[key.algorithm],
            issuer=self._app_name,
            audience=audience,
            options={"require": _REQUIRED},
        )
