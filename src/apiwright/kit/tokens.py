"""Access tokens: JSON Web Tokens (RFC 7519) that say who is signed in. Touches no storage."""

import time
from dataclasses import dataclass
from uuid import UUID, uuid4

import jwt

_ALGORITHM = "HS256"
_REQUIRED = ["exp", "sub", "iss", "aud", "iat", "jti"]
_MOST_VERIFIED = 10_000
_LONGEST = 2000  # a signature may be stretched with characters that its decoder skips


class InvalidToken(Exception):
    """Forged, expired, or not one of ours. Which of these is nobody's business."""


@dataclass(frozen=True)
class AccessToken:
    access_token: str
    expires_in: int
    """Seconds."""
    token_type: str = "bearer"  # noqa: S105  # not a password


class Tokens:
    """Issues and verifies the tokens of one app, which is their issuer and their audience."""

    def __init__(self, key: str, app_name: str, lifetime: int) -> None:
        """`lifetime` in seconds."""
        self._key = key
        self._app_name = app_name
        self._lifetime = lifetime
        self._verified: dict[str, tuple[float, UUID]] = {}  # oldest first

    def issue(self, user_id: UUID) -> AccessToken:
        now = int(time.time())
        claims = {
            "sub": str(user_id),
            "iss": self._app_name,
            "aud": self._app_name,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": uuid4().hex,
        }
        return AccessToken(jwt.encode(claims, self._key, _ALGORITHM), self._lifetime)

    def verify(self, token: str) -> UUID:
        """The user whom a token was issued to. Raises InvalidToken."""
        if len(token) > _LONGEST:
            raise InvalidToken
        known = self._verified.get(token)
        if known is not None and known[0] > time.time():
            return known[1]
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=self._app_name,
                audience=self._app_name,
                options={"require": _REQUIRED},
            )
            expires, user_id = float(claims["exp"]), UUID(claims["sub"])
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            self._verified.pop(token, None)
            raise InvalidToken from None
        if len(self._verified) >= _MOST_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = expires, user_id
        return user_id
