"""How a statement travels from `select(…)` to rows.

SQLAlchemy compiles a statement once per shape; a shape is the statement without its values, as
SQLAlchemy's own cache key tells it. What is kept is the text for asyncpg, where each argument
comes from and how it is converted, and how a record becomes a row. Executing a known shape
costs the key, the arguments and one `fetch`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from asyncpg import Connection, Record
from sqlalchemy import BindParameter, Delete, Insert, Select, Table, Update, inspect
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import Dialect, result_tuple
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel.sql.expression import SelectOfScalar

DIALECT: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]  # SQLAlchemy's
_MOST_SHAPES = 2000

Executable = Select[Any] | SelectOfScalar[Any] | Insert | Update | Delete
Process = Callable[[Any], Any]

_shapes: OrderedDict[Any, "Shape"] = OrderedDict()


def shape_of(statement: Executable) -> tuple["Shape", list[Any]]:
    """The compiled shape of a statement, and this statement's values for it."""
    key = statement._generate_cache_key()
    if key is None:  # such as insert().values([…]): compiled each time
        return Shape(statement, ()), []
    shape = _shapes.get(key.key)
    if shape is None:
        shape = _shapes[key.key] = Shape(statement, [bind.key for bind in key.bindparams])
        if len(_shapes) > _MOST_SHAPES:
            _shapes.popitem(last=False)
    return shape, [bind.effective_value for bind in key.bindparams]


class Shape:
    """One shape, ready for asyncpg."""

    def __init__(self, statement: Executable, keys: Sequence[str]) -> None:
        """`keys` name the values that each execution brings, in their order."""
        self._statement = statement
        self._compiled = compiled = statement.compile(dialect=DIALECT)
        self.text = compiled.string
        self.writes = not isinstance(statement, Select) or statement._for_update_arg is not None
        self.returns_rows = isinstance(statement, Select) or bool(statement._returning)
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

    async def rows(self, connection: Connection, values: Sequence[Any]) -> list[Any]:
        text, arguments = self._bind(values)
        if self._make is None:
            prepared = await connection.prepare(text)
            oids = [attribute.type.oid for attribute in prepared.get_attributes()]
            self._make = _row_maker(self._statement, self._compiled, oids)
        return list(map(self._make, await connection.fetch(text, *arguments)))

    async def count(self, connection: Connection, values: Sequence[Any]) -> int:
        """For statements that return no rows: how many they changed."""
        text, arguments = self._bind(values)
        status: str = await connection.execute(text, *arguments)
        return int(status.rpartition(" ")[2])

    def _bind(self, values: Sequence[Any]) -> tuple[str, list[Any]]:
        if not self._expands:
            return self.text, [argument.converted(values) for argument in self._arguments]
        # a list of unknown length, as in `x IN (…)`, is written out for each execution
        state = self._compiled.construct_expanded_state(
            {argument.name: argument.value(values) for argument in self._arguments}
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


class _Argument:
    """Where one argument comes from: this execution, a Python default, or the statement."""

    __slots__ = ("_default", "_made", "_position", "convert", "name")

    def __init__(
        self, name: str, bind: BindParameter[Any], position: int | None, made: Process | None
    ) -> None:
        self.name = name
        self.convert: Process | None = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
        self._position = position
        self._made = made
        self._default = None if made else bind.effective_value

    def value(self, values: Sequence[Any]) -> Any:
        if self._position is not None:
            return values[self._position]
        return self._made(None) if self._made else self._default

    def converted(self, values: Sequence[Any]) -> Any:
        value = self.value(values)
        return value if self.convert is None else self.convert(value)


def _values_made_by_python(compiled: SQLCompiler) -> dict[str, Process]:
    """Columns whose default or onupdate is Python's, by the name of their argument."""
    made = {}
    for column, default in [
        *((column, column.default) for column in compiled.insert_prefetch),
        *((column, column.onupdate) for column in compiled.update_prefetch),
    ]:
        value = cast(Any, default).arg
        made[column.key] = value if callable(value) else lambda _, value=value: value
    return made


def _row_maker(
    statement: Executable, compiled: SQLCompiler, oids: Sequence[int]
) -> Callable[[Record], Any]:
    """What turns a record into what the statement asked for: an instance, a value, or a tuple
    of these. `oids` are the columns' types as Postgres reports them."""
    processors = [
        entry.type.dialect_impl(DIALECT).result_processor(DIALECT, oid)
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
            "The session cannot tell which column belongs to what: leave out options such as"
            " load_only() and defer(), or select the columns one by one."
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
            (described["name"], inspect(described["entity"]).mapper)
            if described["entity"] is not None and described["expr"] is described["entity"]
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
    fields = frozenset(keys)
    new, state_of = mapper.class_manager.new_instance, mapper.class_manager.state_getter()
    identity_key = mapper.identity_key_from_primary_key

    def make(record: Record) -> Any:
        instance = new()
        attributes = instance.__dict__
        attributes.update(zip(keys, record[start:end], strict=True))
        for key, process in converted:
            attributes[key] = process(attributes[key])
        object.__setattr__(instance, "__pydantic_fields_set__", set(fields))
        state_of(instance).key = identity_key(tuple(attributes[key] for key in primary))
        return instance

    return make
