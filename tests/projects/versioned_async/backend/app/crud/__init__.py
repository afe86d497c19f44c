from app.crud.item import item

__all__ = ["item"]
