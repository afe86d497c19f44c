from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")

    api_prefix: str = Field(default="/api")
    database_url: str = "sqlite:///./shop.db"
    api_token: str
    debug: bool


@lru_cache
def get_config() -> Config:
    return Config()
