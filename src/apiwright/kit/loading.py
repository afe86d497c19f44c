"""`selectinload`: relationships that a statement asks for, one query more for each."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, inspect, select, tuple_
from sqlalchemy.orm import Load, RelationshipProperty, aliased
from sqlalchemy.orm.attributes import set_committed_value

_SELECTIN = (("lazy", "selectin"),)


@dataclass(frozen=True)
class Loader:
    """One relationship to load, and what to load below it."""

    relationship: RelationshipProperty[Any]
    below: tuple["Loader", ...]

    def statement(self, keys: Sequence[tuple[Any, ...]]) -> Select[Any]:
        """Rows of a parent's primary key and one of what belongs to it."""
        parent = aliased(self.relationship.parent.class_)
        columns = [
            getattr(parent, self.relationship.parent.get_property_by_column(column).key)
            for column in self.relationship.parent.primary_key
        ]
        if len(columns) == 1:
            mine = columns[0].in_([key for (key,) in keys])
        else:
            mine = tuple_(*columns).in_(keys)
        statement: Select[Any] = (
            select(*columns, self.relationship.mapper.class_)
            .select_from(parent)
            .join(getattr(parent, self.relationship.key))
            .where(mine)
        )
        return statement.order_by(*self.relationship.order_by or ())

    def attach(self, parents: Iterable[Any], rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Give each parent what belongs to it; returns all of that."""
        found: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for *key, child in rows:
            found[tuple(key)].append(child)
        for parent in parents:
            children = found[tuple(inspect(parent).key[1])]
            many = self.relationship.uselist
            value = children if many else next(iter(children), None)
            set_committed_value(parent, self.relationship.key, value)
        return [child for children in found.values() for child in children]


def loaders_of(statement: Any) -> tuple[Loader, ...]:
    """What the options of a statement ask for. Raises TypeError for other loader options."""
    tree: dict[Any, Any] = {}
    for option in statement._with_options:
        if not isinstance(option, Load):
            continue
        for element in option.context:
            if element.strategy != _SELECTIN or element._extra_criteria:
                raise TypeError(
                    "The session loads relationships with selectinload() alone, without"
                    " conditions. Instead of joinedload() or subqueryload() write selectinload();"
                    " instead of load_only(), defer() or contains_eager() select the columns or"
                    " entities you want: select(Task.id, Task.title)."
                )
            below = tree
            for step in element.path.natural_path:
                if isinstance(step, RelationshipProperty):
                    below = below.setdefault(step, {})
    return _loaders(tree)


def _loaders(tree: dict[Any, Any]) -> tuple[Loader, ...]:
    return tuple(Loader(relationship, _loaders(below)) for relationship, below in tree.items())
