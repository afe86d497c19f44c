from app.models.base import Base
from app.models.entry import Entry
from app.models.user import User

__all__ = ["Base", "Entry", "User"]
