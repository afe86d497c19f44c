"""Settings: read from the environment and from .env, refused in words when they are not safe.

Unless development is declared (FASTAPI_ENV=development, which `apiwright dev` and
`fastapi dev` do), it is production, and nothing there is guessed.
"""

import json
import os
import re
import secrets
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from apiwright.errors import ApiwrightError
from apiwright.kit.tokens import Tokens

DATA = Path(".data")
"""Where a project keeps what development makes: the embedded Postgres, the signing key."""


def _split(value: object) -> object:
    if isinstance(value, str):
        return json.loads(value) if value.startswith("[") else re.split(r"\s*,\s*", value.strip())
    return value


def _origin(value: str) -> str:
    if not re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?", value):
        raise ValueError(
            f"{value!r} is no origin. Write it as browsers do: https://app.example.com, in lower"
            " case, without a path or a slash at the end."
        )
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"\*|(\*\.)?[a-z0-9._-]+|\[[0-9a-f:]+\]", value):
        raise ValueError(
            f"{value!r} is no host. Write api.example.com or *.example.com, in lower case, without"
            " a scheme or a port."
        )
    return value


_Origin = Annotated[str, AfterValidator(_origin)]
_Host = Annotated[str, AfterValidator(_host)]
_Key = Annotated[SecretStr, Field(min_length=32)]


class Settings(BaseSettings):
    """Every project's settings; a project adds its own fields in a subclass.

    Raises pydantic's ValidationError when production lacks DATABASE_URL or SECRET_KEY.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,  # `SECRET_KEY=`, as in .env.example, is not set
        extra="ignore",
        hide_input_in_errors=True,
    )

    app_name: ClassVar[str]
    """Lower case and underscores; names the database roles and the tokens' issuer."""

    fastapi_env: str = "production"
    database_url: SecretStr | None = None
    secret_key: _Key | None = None
    previous_secret_keys: Annotated[list[_Key], NoDecode, BeforeValidator(_split)] = []
    access_token_minutes: int = Field(default=15, ge=1)
    refresh_token_days: int = Field(default=30, ge=1)
    pool_size: int = Field(default=16, ge=1)
    cors_origins: Annotated[list[_Origin], NoDecode, BeforeValidator(_split)] = []
    trusted_hosts: Annotated[list[_Host], NoDecode, BeforeValidator(_split)] = ["*"]
    https_only: bool = True
    max_body_bytes: int = Field(default=1_000_000, ge=0)
    docs_password: SecretStr | None = Field(default=None, min_length=12)
    rate_limit: str = "600/minute"
    rate_limit_open: bool = True
    redis_url: SecretStr | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access_log: bool | None = None
    slow_statement_ms: int = Field(default=500, ge=0)

    @model_validator(mode="after")
    def _refuse_to_guess_in_production(self) -> Self:
        given = {"DATABASE_URL": self.database_url, "SECRET_KEY": self.secret_key}
        missing = [name for name, value in given.items() if value is None]
        if missing and not self.development:
            raise ValueError(
                f"{' and '.join(missing)} not set. This is production, because FASTAPI_ENV is"
                f" {self.fastapi_env!r}. Set {'it' if len(missing) == 1 else 'them'}, or declare"
                " development with FASTAPI_ENV=development."
            )
        return self

    @model_validator(mode="after")
    def _refuse_keys_of_other_kinds(self) -> Self:
        if self.secret_key is not None:
            try:
                Tokens(self.signing_key(), "", 0, previous=self.previous_keys())
            except ValueError as error:
                raise ValueError(f"SECRET_KEY or PREVIOUS_SECRET_KEYS: {error}") from None
        return self

    @property
    def development(self) -> bool:
        return self.fastapi_env == "development"

    @property
    def openapi_url(self) -> str | None:
        """For FastAPI: in production there is no OpenAPI document, unless DOCS_PASSWORD guards
        it and the docs page."""
        return "/openapi.json" if self.development or self.docs_password else None

    @property
    def user_role(self) -> str:
        """The Postgres role of requests: plain, so that row level security binds it."""
        return f"{self.app_name}_user"

    @property
    def system_role(self) -> str:
        """The Postgres role of `session.unscoped(…)`: sees every row, changes no table."""
        return f"{self.app_name}_system"

    def previous_keys(self) -> list[str]:
        return [_unescaped(key) for key in self.previous_secret_keys]

    def signing_key(self) -> str:
        """SECRET_KEY; in development without one, a random key kept in .data/secret-key."""
        if self.secret_key is not None:
            return _unescaped(self.secret_key)
        file = DATA / "secret-key"
        try:
            if not file.exists():
                _write_key(file)
            return file.read_text()
        except OSError as error:
            raise ApiwrightError(
                f"The key that signs tokens cannot be kept in {file}: {error.strerror}.",
                "Set SECRET_KEY, or work in a folder that you may write to.",
            ) from None


def _unescaped(key: SecretStr) -> str:
    """A PEM has lines, which environment files and dashboards write as backslash and n."""
    return key.get_secret_value().replace("\\n", "\n")


def _write_key(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    # written aside and linked, so that two processes starting at once agree on one key
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600)
    try:
        draft.write_text(secrets.token_hex(32))
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
