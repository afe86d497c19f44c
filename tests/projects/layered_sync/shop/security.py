import logging
from datetime import datetime, timedelta, timezone
from typing import Optional

import bcrypt
import jwt

from shop.config import get_settings

logger = logging.getLogger("shop.security")


class PasswordHasher:
    def __init__(self, rounds: int = 12):
        self.rounds = rounds
        self.nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds)).decode()

    def hash(self, password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(self.rounds)).decode()

    def verify(self, password: str, hashed: Optional[str]) -> bool:
        """Takes as long when there is no such user."""
        try:
            right = bcrypt.checkpw(password.encode(), (hashed or self.nobody).encode())
        except ValueError:
            return False
        return right and hashed is not None


class TokenService:
    """Access and refresh tokens; each says in `type` what it is."""

    def __init__(self):
        self.settings = get_settings()

    def create(self, user_id: int, kind: str, lifetime: timedelta) -> str:
        payload = {
            "sub": str(user_id),
            "type": kind,
            "exp": datetime.now(timezone.utc) + lifetime,
        }
        return jwt.encode(payload, self.settings.secret_key, algorithm=self.settings.algorithm)

    def access(self, user_id: int) -> str:
        return self.create(user_id, "access", timedelta(minutes=self.settings.access_token_minutes))

    def refresh(self, user_id: int) -> str:
        return self.create(user_id, "refresh", timedelta(days=self.settings.refresh_token_days))

    def read(self, token: str, kind: str) -> Optional[int]:
        try:
            payload = jwt.decode(
                token,
                self.settings.secret_key,
                algorithms=[self.settings.algorithm],
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError:
            logger.info("a token was refused")
            return None
        if payload.get("type") != kind:
            return None
        subject = str(payload["sub"])
        return int(subject) if subject.isdecimal() and len(subject) < 10 else None


password_hasher = PasswordHasher()
