"""Who may do more than use what is their own."""

from enum import StrEnum


class Permission(StrEnum):
    EDIT_CATALOGUE = "catalogue:edit"


class Role(StrEnum):
    MEMBER = "member"
    ADMIN = "admin"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MEMBER: frozenset(),
    Role.ADMIN: frozenset({Permission.EDIT_CATALOGUE}),
}
