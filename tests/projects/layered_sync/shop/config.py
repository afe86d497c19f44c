from functools import lru_cache
from typing import List

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    secret_key: str = Field(min_length=32)
    algorithm: str = "HS256"
    access_token_minutes: int = 30
    refresh_token_days: int = 14
    database_url: str = "sqlite:///./shop.db"
    frontend_origins: List[str] = ["http://localhost:3000"]
    upload_folder: str = "uploads"
    manuals_folder: str = "manuals"
    supplier_url: str = "http://127.0.0.1:9099"


@lru_cache
def get_settings() -> Settings:
    return Settings()
