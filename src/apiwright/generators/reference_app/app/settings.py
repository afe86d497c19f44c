from typing import ClassVar

from apiwright.kit import settings


class Settings(settings.Settings):
    """Read from the environment and from .env; add the project's own as fields."""

    app_name: ClassVar[str] = "reference_app"
