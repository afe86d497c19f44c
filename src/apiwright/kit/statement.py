"""How a statement travels from `select(…)` to rows.

SQLAlchemy compiles a statement once per shape; a shape is the statement without its values, as
SQLAlchemy's own cache key tells it. What is kept is the text for asyncpg, where each argument
comes from and how it is converted, and how a record becomes a row. Executing a known shape
costs the key, the arguments and one `fetch`.

Where SQLAlchemy has no public way, its private names are used here and in `loading` alone;
tests/kit/test_statement.py holds them to the version they were read in.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, TypeVar, cast
from uuid import UUID

from asyncpg import Connection, Record
from sqlalchemy import (
    BindParameter,
    Delete,
    Insert,
    Integer,
    Select,
    Table,
    Update,
    Uuid,
    bindparam,
    func,
    inspect,
)
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import Dialect, result_tuple
from sqlalchemy.orm import InstanceState, Mapper, with_loader_criteria
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import SQLModel, select
from sqlmodel.sql.expression import SelectOfScalar
from sqlmodel.sql.sqltypes import UTCDateTime

from apiwright.kit.loading import Loader, loaders_of
from apiwright.kit.ordering import Order
from apiwright.kit.pagination import MOST_COUNTED, PageQuery
from apiwright.kit.reading import only_reads
from apiwright.kit.tables import audiences

DIALECT: Dialect = PGDialect_asyncpg(dbapi=PGDialect_asyncpg.import_dbapi())  # type: ignore[no-untyped-call]  # SQLAlchemy's
_MOST_SHAPES = 2000

Executable = Select[*tuple[Any, ...]] | Insert | Update | Delete
Process = Callable[[Any], Any]
T = TypeVar("T")

_shapes: OrderedDict[Any, Any] = OrderedDict()


def shape_of(statement: Executable, *, scoped: bool) -> tuple["Shape", list[Any]]:
    """The compiled shape of a statement, and this statement's values for it. `scoped`: with the
    owner's criteria."""
    return _known(statement, (scoped,), lambda keys: Shape(statement, keys, scoped=scoped))


def page_of(query: Select[Any], page: PageQuery, *, scoped: bool) -> tuple["PageShape", list[Any]]:
    """As `shape_of`, for the rows of a page and one more. Raises TypeError as `Order` does."""
    sort: str | None = vars(page).get("sort")  # of a query model that has one
    pages, values = _known(
        query, (scoped, "page", sort), lambda keys: _Pages(query, keys, sort, scoped=scoped)
    )
    values.append(page.limit + 1)
    if page.cursor is None:
        return pages.shape(None), values
    last = pages.order.values(page.cursor)
    values += last
    return pages.shape(tuple([value is None for value in last])), values


def count_of(query: Select[Any], *, scoped: bool) -> tuple["Shape", list[Any]]:
    """As `shape_of`, for the number of a query's rows, or one more than are counted."""
    return _known(
        query, (scoped, "count"), lambda keys: Shape(_counted(query), keys, scoped=scoped)
    )


def _counted(query: Select[Any]) -> Select[Any]:
    ids = query.with_only_columns(query.column_descriptions[0]["entity"].id).order_by(None)
    return select(func.count()).select_from(ids.limit(MOST_COUNTED + 1).subquery())


class _Pages:
    """The pages of a query in one order: the shapes of the first, and of those after a cursor."""

    def __init__(
        self, query: Select[Any], keys: Sequence[str], sort: str | None, *, scoped: bool
    ) -> None:
        self.order = Order(query, sort)
        self._query = query
        self._keys = [*keys, _LIMIT, *self.order.parameters]
        self._scoped = scoped
        self._shapes: dict[tuple[bool, ...] | None, PageShape] = {}

    def shape(self, nulls: tuple[bool, ...] | None) -> "PageShape":
        """`nulls`: which values of the cursor are null; None: there is no cursor."""
        shape = self._shapes.get(nulls)
        if shape is None:
            query = self._query.order_by(None).order_by(*self.order.clauses)
            query = query.limit(bindparam(_LIMIT, type_=Integer()))
            if nulls is not None:
                query = query.where(self.order.after(nulls))
            shape = PageShape(query, self._keys, self.order, scoped=self._scoped)
            self._shapes[nulls] = shape
        return shape


_LIMIT = "page_limit"


def _known(
    statement: Executable, variant: tuple[Any, ...], make: Callable[[list[str]], T]
) -> tuple[T, list[Any]]:
    """What `make` makes of the names of a statement's values, once per shape, and the values."""
    key = statement._generate_cache_key()
    if key is None:  # such as insert().values([…]): compiled each time
        return make([]), []
    known: T | None = _shapes.get((key.key, variant))
    if known is None:
        known = _shapes[key.key, variant] = make([bind.key for bind in key.bindparams])
        if len(_shapes) > _MOST_SHAPES:
            _shapes.popitem(last=False)
    return known, [bind.effective_value for bind in key.bindparams]


class Shape:
    """One shape, ready for asyncpg."""

    def __init__(self, statement: Executable, keys: Sequence[str], *, scoped: bool) -> None:
        """`keys` name the values that each execution brings, in their order."""
        self.loaders: tuple[Loader, ...] = loaders_of(statement)
        self.returns_rows = isinstance(statement, Select) or bool(statement._returning)
        self._statement = statement
        self._compiled = compiled = _compile(statement, scoped=scoped)
        self.text = compiled.string
        self.writes = not only_reads(self.text)
        self._expands = bool(compiled.post_compile_params | compiled.literal_execute_params)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        names: Iterable[str] = binds if self._expands else compiled.positiontup or ()
        position = {key: index for index, key in enumerate(keys)}
        made = _values_made_by_python(compiled)
        self._arguments = [
            _Argument(name, binds[name], position.get(binds[name].key), made.get(name))
            for name in names
        ]
        self._make: Callable[[Record], Any] | None = None

    async def rows(
        self, connection: Connection, values: Sequence[Any], user_id: UUID | None
    ) -> list[Any]:
        text, arguments = self._bind(_Execution(self._arguments, values, user_id))
        if self._make is None:
            prepared = await connection.prepare(text, name="")  # a name would last in a pooler
            oids = [attribute.type.oid for attribute in prepared.get_attributes()]
            self._make = _row_maker(self._statement, self._compiled, oids)
        return list(map(self._make, await connection.fetch(text, *arguments)))

    async def count(
        self, connection: Connection, values: Sequence[Any], user_id: UUID | None
    ) -> int:
        """For statements that return no rows: how many they changed."""
        text, arguments = self._bind(_Execution(self._arguments, values, user_id))
        status: str | None
        if arguments:
            status = await connection.execute(text, *arguments)
        else:  # without arguments execute() would take several statements in one text
            prepared = await connection.prepare(text, name="")
            await prepared.fetch()
            status = prepared.get_statusmsg()
        return int((status or "").rpartition(" ")[2])

    def _bind(self, execution: "_Execution") -> tuple[str, list[Any]]:
        if not self._expands:
            return self.text, [argument.converted(execution) for argument in self._arguments]
        # a list of unknown length, as in `x IN (…)`, is written out for each execution
        state = self._compiled.construct_expanded_state(
            {argument.name: argument.value(execution) for argument in self._arguments}
        )
        converts = {argument.name: argument.convert for argument in self._arguments}
        for name, parts in state.parameter_expansion.items():
            converts.update(dict.fromkeys(parts, converts[name]))
        return state.statement, [
            convert(state.parameters[name])
            if (convert := converts[name])
            else state.parameters[name]
            for name in state.positiontup or ()
        ]


class PageShape(Shape):
    """The shape of a page, and what makes a cursor of its last row."""

    def __init__(
        self, statement: Executable, keys: Sequence[str], order: Order, *, scoped: bool
    ) -> None:
        super().__init__(statement, keys, scoped=scoped)
        self.cursor = order.cursor


class _Execution:
    """What one execution brings; and, for defaults that look at the row, SQLAlchemy's context."""

    __slots__ = ("_arguments", "user_id", "values")

    def __init__(
        self, arguments: "Sequence[_Argument]", values: Sequence[Any], user_id: UUID | None
    ) -> None:
        self._arguments = arguments
        self.values = values
        self.user_id = user_id

    def get_current_parameters(self, isolate_multiinsert_groups: bool = True) -> dict[str, Any]:
        return {one.name: one.value(self) for one in self._arguments if one.made is None}


def _current_user() -> None:
    """Stands in a statement where the user who executes it belongs; never called."""


class _Argument:
    """Where one argument comes from: this execution, its user, a Python default, or the
    statement."""

    __slots__ = ("_default", "_position", "_user", "convert", "made", "name")

    def __init__(
        self, name: str, bind: BindParameter[Any], position: int | None, made: Process | None
    ) -> None:
        self.name = name
        self.made = made
        self.convert: Process | None = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
        self._user = bind.callable is _current_user
        self._position = position
        self._default = None if made or self._user else bind.effective_value

    def value(self, execution: _Execution) -> Any:
        if self._position is not None:
            return execution.values[self._position]
        if self._user:
            return execution.user_id
        return self.made(execution) if self.made else self._default

    def converted(self, execution: _Execution) -> Any:
        value = self.value(execution)
        return value if self.convert is None else self.convert(value)


_USER: BindParameter[Any] = bindparam(None, unique=True, callable_=_current_user, type_=Uuid())


def _belt() -> list[Any]:
    """The owner's criteria for every owned model. The wall is in the database; should it have a
    hole, ordinary statements still see one's own rows only. What this does not reach stands in
    docs/kit/row_security.md."""
    # functions, because criteria as expressions would not follow an alias into its join
    mine = {
        "id": lambda model: model.id == _USER,
        "owner_id": lambda model: model.owner_id == _USER,
    }
    return [
        with_loader_criteria(
            model, mine[model.owner_column], include_aliases=True, track_closure_variables=False
        )
        for model in audiences().values()
        if model.owner_column is not None
    ]


def _compile(statement: Executable, *, scoped: bool) -> SQLCompiler:
    compiled = statement.compile(dialect=DIALECT)
    text = compiled.string
    _refuse(_CHANGES_WHO_ASKS.findall(text), "they could change who is asking")
    if not scoped:
        return compiled
    tables = SQLModel.metadata.tables.values()
    ours = {name for table in tables for name in (table.name, *table.c.keys())}
    system = [name for name in _OF_THE_SYSTEM.findall(text) if name.lower() not in ours]
    _refuse(system, "they look past one's own rows; `session.unscoped(…)` may")
    # in a full join, criteria would drop rows that have no partner
    if isinstance(statement, Insert) or "FULL OUTER JOIN" in text:
        return compiled
    if isinstance(statement, Select):
        # criteria belong to models, and a function or a window over a column names its table alone
        models = {inspect(model).local_table: model for model in audiences().values()}
        for part in statement.get_final_froms():
            model = models.get(part)
            if model is not None and model.owner_column is not None:
                statement = statement.select_from(model)
    return statement.options(*_belt()).compile(dialect=DIALECT)


# functions that set, and those that run text as SQL; U&"" spells names in another way
_CHANGES_WHO_ASKS = re.compile(
    r"set_config|\w+_to_xml\w*|\bts_stat\b|\bts_rewrite\b|\bdblink\w*|\bcrosstab\w*|\bconnectby\b"
    r"|\bxpath_table\b|\bU&",
    re.IGNORECASE,
)
# sizes, statistics, settings and locks, which no policy guards
_OF_THE_SYSTEM = re.compile(r"\bpg_\w+", re.IGNORECASE)


def _refuse(found: list[str], why: str) -> None:
    if found:
        raise TypeError(
            f"The session does not execute statements that contain {found[0]}: {why}. Values go"
            " into parameters."
        )


def _values_made_by_python(compiled: SQLCompiler) -> dict[str, Process]:
    """Columns whose default or onupdate is Python's, by the name of their argument."""
    made: dict[str, Process] = {}
    for column, default in [
        *((column, column.default) for column in compiled.insert_prefetch),
        *((column, column.onupdate) for column in compiled.update_prefetch),
    ]:
        value: Any = cast(Any, default).arg
        made[column.key] = value if callable(value) else partial(_constant, value)
    return made


def _constant(value: Any, execution: _Execution) -> Any:
    return value


def _row_maker(
    statement: Executable, compiled: SQLCompiler, oids: Sequence[int]
) -> Callable[[Record], Any]:
    """What turns a record into what the statement asked for: an instance, a value, or a row of
    these. `oids` are the columns' types as Postgres reports them."""
    processors = [
        None  # asyncpg's are in UTC already
        if isinstance(entry.type, UTCDateTime)
        else entry.type.dialect_impl(DIALECT).result_processor(DIALECT, oid)
        for entry, oid in zip(compiled._result_columns, oids, strict=True)
    ]
    wanted = _wanted(statement)
    parts: list[Callable[[Record], Any]] = []
    start = 0
    for _, what in wanted:
        if isinstance(what, Mapper):
            end = start + len(what.column_attrs)
            parts.append(_instance_maker(what, start, processors[start:end]))
            start = end
        else:
            parts.append(_value_maker(start, processors[start]))
            start += 1
    if start != len(oids):
        raise TypeError(
            "The session cannot tell which column belongs to what: select entities, or columns"
            " one by one."
        )
    if isinstance(statement, SelectOfScalar):
        return parts[0]
    row = result_tuple([name for name, _ in wanted])
    return lambda record: row(tuple([part(record) for part in parts]))


def _wanted(statement: Executable) -> list[tuple[str, Any]]:
    """What each row holds, in order and with its name: a mapper for an entity, anything else for
    a column."""
    if isinstance(statement, Select):
        return [
            (described["name"], inspect(described["expr"]).mapper)
            if described["expr"] is described.get("entity")
            else (described["name"], described["expr"])
            for described in statement.column_descriptions
        ]
    wanted: list[tuple[str, Any]] = []
    for returned in statement._returning:
        if not isinstance(returned, Table):
            wanted.append((getattr(returned, "key", None) or "", returned))
        elif mapper := returned._annotations.get("parententity"):
            wanted.append((mapper.class_.__name__, mapper))
        else:
            wanted += [(column.key, column) for column in returned.columns]
    return wanted


def _value_maker(index: int, process: Process | None) -> Callable[[Record], Any]:
    if process is None:
        return lambda record: record[index]
    return lambda record: process(record[index])


def _instance_maker(
    mapper: Mapper[Any], start: int, processors: Sequence[Process | None]
) -> Callable[[Record], Any]:
    """A detached instance of a model, its attributes filled from a record."""
    keys = [attribute.key for attribute in mapper.column_attrs]
    end = start + len(keys)
    converted = [(key, process) for key, process in zip(keys, processors, strict=True) if process]
    primary = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    primary_at = [start + keys.index(key) for key in primary]
    fields, model, manager = frozenset(keys), mapper.class_, mapper.class_manager
    identity_key, lazy = mapper.identity_key_from_primary_key, _refusals(mapper)
    new, put = object.__new__, object.__setattr__
    loaded = manager.dispatch.load  # Mutable follows changes in place from there

    def make(record: Record) -> Any:
        key = tuple([record[at] for at in primary_at])
        if key[0] is None and not any(part is not None for part in key):
            return None  # an outer join found none
        # what SQLModel's __new__ and SQLAlchemy's new_instance() do, without asking around
        instance = new(model)
        put(instance, "__pydantic_fields_set__", set(fields))
        put(instance, "__pydantic_extra__", None)
        put(instance, "__pydantic_private__", None)
        attributes = instance.__dict__
        attributes.update(zip(keys, record[start:end], strict=True))
        for name, process in converted:
            attributes[name] = process(attributes[name])
        attributes["_sa_instance_state"] = state = InstanceState(instance, manager)
        state.key = identity_key(tuple([attributes[name] for name in primary]))
        if lazy:
            state.callables = lazy
        if loaded:
            loaded(state, None)
        return instance

    return make


def become(row: Any, stored: Any) -> None:
    """Make of an instance that was just written the one that came back."""
    state: InstanceState[Any] = inspect(row)
    values = dict(stored.__dict__)
    of_stored = values.pop("_sa_instance_state")
    state.dict.update(values)
    state._commit_all(state.dict)
    state.key = of_stored.key
    if refreshed := state.manager.dispatch.refresh:
        refreshed(state, None, None)
    if of_stored.callables:
        state.callables = of_stored.callables


def _refusals(mapper: Mapper[Any]) -> dict[str, Callable[[Any, Any], Any]]:
    return {
        relationship.key: _NotLoaded(mapper.class_.__name__, relationship.key)
        for relationship in mapper.relationships
    }


@dataclass(frozen=True)
class _NotLoaded:
    """What happens when a relationship is read that was not loaded."""

    model: str
    key: str

    def __call__(self, state: Any, passive: Any) -> NoReturn:
        name = f"{self.model}.{self.key}"
        raise DetachedInstanceError(
            f"{name} was not loaded, and nothing loads by itself here. Ask for it in the"
            f" statement: select({self.model}).options(selectinload({name}))."
        )
