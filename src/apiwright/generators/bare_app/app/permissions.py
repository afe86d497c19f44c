"""Who may do more than use what is their own."""

from enum import StrEnum


class Role(StrEnum):
    MEMBER = "member"
    ADMIN = "admin"


PERMISSIONS: dict[Role, frozenset[str]] = {Role.MEMBER: frozenset(), Role.ADMIN: frozenset()}
"""What each role may do, in words of your own: a route asks with `requires("invoices:approve")`."""
