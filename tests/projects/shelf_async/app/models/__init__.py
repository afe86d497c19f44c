from app.models.account import Account
from app.models.entry import Entry

__all__ = ["Account", "Entry"]
