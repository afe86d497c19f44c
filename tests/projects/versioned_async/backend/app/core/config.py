from typing import Literal

from pydantic import EmailStr, PostgresDsn, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    PROJECT_NAME: str
    API_V1_STR: str = "/api/v1"
    ENVIRONMENT: Literal["local", "staging", "production"] = "local"
    DATABASE_URL: PostgresDsn
    SECRET_KEY: SecretStr
    FIRST_ADMIN_EMAIL: EmailStr
    ACCESS_TOKEN_MINUTES: int


settings = Settings()
