"""Settings: read from the environment and from .env, refused in words when they are not safe.

Unless development is declared (FASTAPI_ENV=development, which `apiwright dev` and
`fastapi dev` do), it is production, and nothing there is guessed.
"""

import os
import secrets
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from apiwright.errors import ApiwrightError

DATA = Path(".data")
"""Where a project keeps what development makes: the embedded Postgres, the signing key."""


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
    secret_key: SecretStr | None = Field(default=None, min_length=32)
    access_token_minutes: int = Field(default=15, ge=1)
    pool_size: int = Field(default=16, ge=1)

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

    @property
    def development(self) -> bool:
        return self.fastapi_env == "development"

    @property
    def user_role(self) -> str:
        """The Postgres role of requests: plain, so that row level security binds it."""
        return f"{self.app_name}_user"

    @property
    def system_role(self) -> str:
        """The Postgres role of `session.unscoped(…)`: sees every row, changes no table."""
        return f"{self.app_name}_system"

    def signing_key(self) -> str:
        """SECRET_KEY; in development without one, a random key kept in .data/secret-key."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
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
