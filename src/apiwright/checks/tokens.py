"""JSON Web Tokens, read and made with the standard library: also those that must be refused."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


@dataclass(frozen=True)
class Token:
    """One that the app gave."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    text: str

    @property
    def algorithm(self) -> str:
        return str(self.header.get("alg"))

    def is_signed_with(self, key: bytes) -> bool:
        signed, _, signature = self.text.rpartition(".")
        return hmac.compare_digest(_signature(signed, key, self.algorithm), signature)

    def changed(self, **claims: Any) -> str:
        """Other claims under the old signature; None leaves one out."""
        head, _, signature = self.text.split(".")
        return f"{head}.{_encoded(_with(self.claims, claims))}.{signature}"

    def signed(
        self,
        key: bytes,
        header: Mapping[str, Any] | None = None,
        /,
        **claims: Any,
    ) -> str:
        """The same, signed by us; claims that are None are left out."""
        return signed(_with(self.header, header or {}), _with(self.claims, claims), key)


def read(text: str | None) -> Token | None:
    """None: it is none."""
    parts = (text or "").split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = (json.loads(_decoded(part)) for part in parts[:2])
    except ValueError:
        return None
    if not isinstance(header, dict) or not isinstance(claims, dict) or "alg" not in header:
        return None
    return Token(header, claims, text or "")


def signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: bytes) -> str:
    """With alg "none", in whatever letters, there is no signature."""
    start = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{start}.{_signature(start, key, str(header['alg']))}"


def _signature(text: str, key: bytes, algorithm: str) -> str:
    if algorithm not in _HASHES:
        return ""
    return _base64(hmac.digest(key, text.encode(), _HASHES[algorithm]))


def _with(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **others}.items() if value is not None}


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
