"""Tables: SQLModel, SQLAlchemy with Column, SQLAlchemy with Mapped."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from apiwright.project.evaluate import Evaluator, listed
from apiwright.project.facts import Column, Model, NotSeen, Relationship
from apiwright.project.values import (
    Annotated,
    Call,
    Class,
    Const,
    Function,
    Generic,
    Outside,
    Table,
    Value,
)

_BASES = {"sqlalchemy.orm.DeclarativeBase", "sqlalchemy.orm.DeclarativeBaseNoMeta"}
_MADE_BASES = {
    "sqlalchemy.orm.declarative_base",
    "sqlalchemy.ext.declarative.declarative_base",
    "sqlalchemy.ext.automap.automap_base",
}
_COLUMN = {"sqlalchemy.Column", "sqlalchemy.schema.Column"}
_MAPPED_COLUMN = {"sqlalchemy.orm.mapped_column"}
_FIELD = {"sqlmodel.Field", "sqlmodel.main.Field"}
_FOREIGN_KEY = {"sqlalchemy.ForeignKey", "sqlalchemy.schema.ForeignKey"}
_RELATIONSHIP = {
    "sqlalchemy.orm.relationship",
    "sqlalchemy.orm.relation",
    "sqlmodel.Relationship",
    "sqlmodel.main.Relationship",
}
_MAPPED = {
    "sqlalchemy.orm.Mapped",
    "sqlalchemy.orm.WriteOnlyMapped",
    "sqlalchemy.orm.DynamicMapped",
}
_USERS = {
    "user",
    "users",
    "account",
    "accounts",
    "usermodel",
    "dbuser",
    "userdb",
    "usertable",
    "appuser",
    "customuser",
}
_PASSWORDS = {"hashed_password", "password_hash", "hashed_pw", "password", "passwordhash"}
_OWNERS = ("user_id", "owner_id", "author_id", "created_by_id", "created_by", "creator_id")


def _known(name: str, kind: str, key: str | None = None, **more: bool) -> Column:
    flags = {"nullable": False, "unique": False, "index": False, "primary_key": False} | more
    return Column(name, name, kind, default=None, foreign_key=key, at=None, **flags)


_ID = _known("id", "UUID", primary_key=True)
_OWNER = _known("owner_id", "UUID", "user.id")
_FASTAPI_USERS = (
    _known("email", "str", unique=True, index=True),
    _known("hashed_password", "str"),
    _known("is_active", "bool"),
    _known("is_superuser", "bool"),
    _known("is_verified", "bool"),
)
_TIMES = (_known("created_at", "datetime"), _known("updated_at", "datetime"))
KNOWN_COLUMNS: dict[str, tuple[Column, ...]] = {
    "apiwright.kit.tables.Timestamps": _TIMES,
    "apiwright.kit.tables.Account": (_ID, _known("is_active", "bool")),
    "apiwright.kit.tables.OwnedLink": (_OWNER,),
    "apiwright.kit.tables.Owned": (_OWNER, _ID),
    "apiwright.kit.tables.AccountLogin": (
        *_TIMES, _OWNER, _ID, _known("generation", "int"),
        _known("user_agent", "str", nullable=True),
    ),
    "apiwright.kit.idempotency.KeptAnswer": (
        _OWNER, _known("key", "str", primary_key=True), _known("request", "bytes"),
        _known("status", "int", nullable=True), _known("headers", "list[list[str]]", nullable=True),
        _known("body", "bytes", nullable=True), _known("created_at", "datetime", index=True),
    ),
    "apiwright.kit.knowledge.DocumentTable": (
        *_TIMES, _OWNER, _ID, _known("title", "str"), _known("media_type", "str"),
        _known("size", "int"), _known("state", "State"), _known("reason", "str", nullable=True),
        _known("passages", "int"), _known("embedded", "int"),
    ),
    "apiwright.kit.knowledge.ContentTable": (
        _OWNER, _known("document_id", "UUID", "document.id", primary_key=True),
        _known("content", "bytes", nullable=True), _known("text", "str", nullable=True),
    ),
    "apiwright.kit.knowledge.ChunkTable": (
        _OWNER, _ID, _known("document_id", "UUID", "document.id", index=True),
        _known("number", "int"), _known("start", "int"), _known("end", "int"),
        _known("heading", "str"), _known("text", "str"), _known("vector", "bytes", nullable=True),
        _known("embedded_by", "str", nullable=True), _known("changed", "int"),
    ),
    "apiwright.kit.agents.ThreadTable": (
        *_TIMES, _OWNER, _ID, _known("title", "str"),
        _known("busy_until", "datetime", nullable=True), _known("pending", "str", nullable=True),
        _known("last_event", "int"),
    ),
    "apiwright.kit.agents.ItemTable": (
        _OWNER, _ID, _known("thread_id", "UUID", "thread.id", index=True),
        _known("item", "dict[str, Any]"),
    ),
    "apiwright.kit.agents.EventTable": (
        _OWNER, _ID, _known("thread_id", "UUID", "thread.id", index=True),
        _known("number", "int"), _known("kind", "str"), _known("data", "dict[str, Any]"),
    ),
    "fastapi_users.db.SQLAlchemyBaseUserTableUUID": (_ID, *_FASTAPI_USERS),
    "fastapi_users_db_sqlalchemy.SQLAlchemyBaseUserTableUUID": (_ID, *_FASTAPI_USERS),
    "fastapi_users.db.SQLAlchemyBaseUserTable": _FASTAPI_USERS,
    "fastapi_users_db_sqlalchemy.SQLAlchemyBaseUserTable": _FASTAPI_USERS,
}  # fmt: skip
"""What classes of packages give to the tables below them."""
_KNOWN_TABLES = {
    "apiwright.kit.idempotency.KeptAnswer": "idempotency_key",
    "apiwright.kit.knowledge.DocumentTable": "document",
    "apiwright.kit.knowledge.ContentTable": "document_content",
    "apiwright.kit.knowledge.ChunkTable": "chunk",
    "apiwright.kit.agents.ThreadTable": "thread",
    "apiwright.kit.agents.ItemTable": "thread_item",
    "apiwright.kit.agents.EventTable": "thread_event",
}
_KIT = "apiwright.kit."


@dataclass(frozen=True)
class _Read:
    columns: dict[str, Column]
    relationships: list[Relationship]
    together: list[tuple[str, ...]]
    mapped: bool = False


class Models:
    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.not_seen: list[NotSeen] = []

    def all(self, users: frozenset[str]) -> tuple[Model, ...]:
        """`users`: names of classes that the login gives."""
        found = []
        for cls in self.evaluator.classes():
            model = self._model(cls)
            if model is not None:
                found.append(model)
        found.sort(key=lambda model: (model.at.file, model.at.line))
        return self._with_owners(found, users)

    def _model(self, cls: Class) -> Model | None:
        kind = self._kind(cls)
        if kind is None:
            return None
        read = self._read(cls, kind)
        table = self._table_name(cls, kind)
        modules = self.evaluator.modules
        style: Literal["field", "column", "mapped"] = "mapped" if read.mapped else "column"
        return Model(
            name=cls.node.name,
            module=modules.name_of(cls.scope.source),
            kind=kind,
            style="field" if kind == "sqlmodel" else style,
            table=table,
            bases=tuple(ast.unparse(base) for base in cls.node.bases),
            columns=tuple(read.columns.values()),
            relationships=tuple(read.relationships),
            unique_together=tuple(read.together),
            is_user=False,
            owner_column=None,
            at=cls.at,
        )

    def _kind(self, cls: Class) -> Literal["sqlmodel", "sqlalchemy"] | None:
        names = {self.evaluator.name_of(one) for one in self.evaluator.ancestry(cls)}
        if "sqlmodel.SQLModel" in names or any(name.startswith(_KIT) for name in names):
            for keyword in cls.node.keywords:
                if keyword.arg == "table" and self._const(keyword.value, cls) is True:
                    return "sqlmodel"
            return None
        own = cls.scope.names
        if own.get("__abstract__") == Const(True) or not self._is_declarative(cls):
            return None
        if self._is_base(cls):  # not a table, though it may hold what all tables share
            return None
        if "__tablename__" in own or "__table__" in own or self._has_primary_key(cls):
            return "sqlalchemy"
        return None

    def _is_declarative(self, cls: Class) -> bool:
        for one in self.evaluator.ancestry(cls)[1:]:
            if self.evaluator.name_of(one) in _BASES:
                return True
            if isinstance(one, Call) and self.evaluator.name_of(one.callee) in _MADE_BASES:
                return True
            if self.evaluator.name_of(one).endswith("db.SQLAlchemyBaseUserTableUUID"):
                return True
            if isinstance(one, Class) and self._is_made_base(one):
                return True
        return False

    def _has_primary_key(self, cls: Class) -> bool:
        # the base itself, with the columns that all tables share, is no table
        bases = [one for one in self.evaluator.ancestry(cls)[1:] if isinstance(one, Class)]
        if not any(self._is_declarative(base) or self._is_base(base) for base in bases) and not any(
            isinstance(base, Call) for base in cls.bases
        ):
            return False
        return any(column.primary_key for column in self._read(cls, "sqlalchemy").columns.values())

    def _is_base(self, cls: Class) -> bool:
        return self._is_made_base(cls) or any(
            self.evaluator.name_of(base) in _BASES for base in cls.bases
        )

    def _is_made_base(self, cls: Class) -> bool:
        """@as_declarative()"""
        return any(
            isinstance(made, ast.Call)
            and self.evaluator.name_of(self.evaluator.value(made.func, cls.scope)).endswith(
                "as_declarative"
            )
            for made in cls.node.decorator_list
        )

    def _const(self, node: ast.expr, cls: Class) -> object:
        value = self.evaluator.value(node, cls.scope)
        return value.value if isinstance(value, Const) else None

    def _table_name(self, cls: Class, kind: str) -> str | None:
        for one in self.evaluator.ancestry(cls):
            if (known := _KNOWN_TABLES.get(self.evaluator.name_of(one))) is not None:
                return known
            if not isinstance(one, Class) or "__tablename__" not in one.scope.names:
                continue
            value = one.scope.names["__tablename__"]
            if isinstance(value, Function):  # declared_attr
                bound = Function(value.node, value.scope, value.qualified, one, cls)
                value = self.evaluator.call(bound)
            if isinstance(value, Const) and isinstance(value.value, str):
                return value.value
            self.not_seen.append(
                NotSeen(f"the table of {cls.node.name} ({cls.at})", "it is computed")
            )
            return None
        if kind == "sqlmodel":
            return cls.node.name.lower()
        table = cls.scope.names.get("__table__")
        if isinstance(table, Call) and table.arguments and isinstance(table.arguments[0], Const):
            return str(table.arguments[0].value)
        self.not_seen.append(
            NotSeen(f"the table of {cls.node.name} ({cls.at})", "no name is written")
        )
        return None

    # columns

    def _read(self, cls: Class, kind: str) -> _Read:
        """Those of the bases first, as Python would find them."""
        columns: dict[str, Column] = {}
        relationships: dict[str, Relationship] = {}
        together: list[tuple[str, ...]] = []
        mapped = False
        for one in reversed(self.evaluator.ancestry(cls)):
            known = KNOWN_COLUMNS.get(self.evaluator.name_of(one), ())
            columns.update({column.attribute: column for column in known})
            if not isinstance(one, Class):
                continue
            together += self._together(one)
            for name, annotation, value, node in self._attributes(one):
                made = self._attribute(one, name, annotation, value, node, kind)
                if isinstance(made, Column):
                    columns[name] = made
                elif isinstance(made, Relationship):
                    columns.pop(name, None)
                    relationships[name] = made
                if annotation is not None and ast.unparse(annotation).startswith(
                    ("Mapped", "orm.Mapped")
                ):
                    mapped = True
        return _Read(columns, list(relationships.values()), together, mapped)

    def _attributes(
        self, cls: Class
    ) -> Iterator[tuple[str, ast.expr | None, ast.expr | None, ast.AST]]:
        for statement in cls.node.body:
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    yield name, statement.annotation, statement.value, statement
                case ast.Assign(targets=[ast.Name(id=name)]):
                    yield name, None, statement.value, statement
                case ast.FunctionDef() if any(
                    "declared_attr" in ast.unparse(d) for d in statement.decorator_list
                ):
                    for inner in ast.walk(statement):
                        if isinstance(inner, ast.Return):
                            yield statement.name, _returned(statement), inner.value, statement

    def _attribute(
        self,
        cls: Class,
        name: str,
        annotation: ast.expr | None,
        node: ast.expr | None,
        statement: ast.AST,
        kind: str,
    ) -> Column | Relationship | None:
        if name.startswith("__") or name in {"model_config", "metadata", "registry"}:
            return None
        value = self.evaluator.value(node, cls.scope) if node is not None else None
        said = self.evaluator.annotation(annotation, cls.scope)
        name_of = self.evaluator.name_of
        callee = name_of(value.callee) if isinstance(value, Call) else ""
        if isinstance(value, Call) and callee in _RELATIONSHIP:
            return self._relationship(cls, name, annotation, value, statement)
        if isinstance(value, Call) and callee in _COLUMN | _MAPPED_COLUMN:
            return self._column(cls, name, annotation, said, value, statement)
        if kind == "sqlalchemy":
            if isinstance(said, Generic) and name_of(said.base) in _MAPPED:
                return self._column(cls, name, annotation, said, None, statement)
            return None
        if annotation is None or name_of(said).endswith("ClassVar"):
            return None
        return self._field(cls, name, annotation, said, value, statement)

    def _column(
        self,
        cls: Class,
        name: str,
        annotation: ast.expr | None,
        said: Value,
        call: Call | None,
        statement: ast.AST,
    ) -> Column:
        calls = [call] if call is not None else []
        inner = said.arguments[0] if isinstance(said, Generic) and said.arguments else said
        if isinstance(inner, Annotated):  # Mapped[intpk]
            calls += [extra for extra in inner.values[1:] if isinstance(extra, Call)]
        keywords: dict[str, Value] = {}
        arguments: list[ast.expr] = []
        for one in reversed(calls):
            keywords.update(one.keywords)
            arguments = one.node.args
        type_text = None if annotation is None else _unmapped(annotation)
        if isinstance(inner, Annotated) and isinstance(inner.values[0], Outside):
            type_text = inner.values[0].name
        column = name
        foreign_key = None
        for number, argument in enumerate(arguments):
            value = self.evaluator.value(argument, cls.scope)
            if number == 0 and isinstance(value, Const) and isinstance(value.value, str):
                column = value.value
            elif isinstance(value, Call) and self.evaluator.name_of(value.callee) in _FOREIGN_KEY:
                foreign_key = self._reference(value, cls)
            elif type_text is None and not isinstance(value, Const):
                called = argument.func if isinstance(argument, ast.Call) else argument
                last = ast.unparse(called).rpartition(".")[2]
                if last not in {"Identity", "Sequence", "Computed", "CheckConstraint"}:
                    type_text = ast.unparse(argument)
        if isinstance(keywords.get("name"), Const):
            column = str(keywords["name"].value)  # type: ignore[union-attr]  # a Const
        primary = _flag(keywords, "primary_key")
        nullable: bool | None = not primary
        if "nullable" in keywords:
            nullable = _flag(keywords, "nullable")
        elif annotation is not None and isinstance(said, Generic):
            nullable = _is_optional(inner, annotation)
        return Column(
            name=column,
            attribute=name,
            type=type_text,
            nullable=nullable,
            default=_default(
                calls, ("default", "default_factory", "insert_default", "server_default")
            ),
            unique=_flag(keywords, "unique"),
            index=_flag(keywords, "index"),
            primary_key=primary,
            foreign_key=foreign_key,
            at=cls.scope.source.at(statement),
        )

    def _field(
        self,
        cls: Class,
        name: str,
        annotation: ast.expr,
        said: Value,
        value: Value | None,
        statement: ast.AST,
    ) -> Column:
        optional = _is_optional(said, annotation)
        field = (
            value
            if isinstance(value, Call) and self.evaluator.name_of(value.callee) in _FIELD
            else None
        )
        if field is None and isinstance(said, Annotated):
            fields = [v for v in said.values[1:] if isinstance(v, Call)]
            field = next((v for v in fields if self.evaluator.name_of(v.callee) in _FIELD), None)
        keywords = dict(field.keywords) if field else {}
        default = None
        if field is not None:
            default = _default([field], ("default", "default_factory"))
            if default is None and field.node.args:
                text = ast.unparse(field.node.args[0])
                default = None if text in {"...", "None"} else text
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            default = ast.unparse(statement.value)
        if isinstance(extra := keywords.get("sa_column_kwargs"), Table):
            keywords = {**extra.values, **keywords}
            if default is None and field is not None and "server_default" in extra.values:
                default = "the database's"
        column = Column(
            name=name,
            attribute=name,
            type=_unoptional(annotation),
            nullable=optional,
            default=None if default == "None" else default,
            unique=_flag(keywords, "unique"),
            index=_flag(keywords, "index"),
            primary_key=_flag(keywords, "primary_key"),
            foreign_key=_text(keywords.get("foreign_key")),
            at=cls.scope.source.at(statement),
        )
        if column.primary_key:
            column = replace(column, nullable=False)
        if "nullable" in keywords:
            column = replace(column, nullable=_flag(keywords, "nullable"))
        explicit = keywords.get("sa_column")
        if isinstance(explicit, Call):
            given = self._column(cls, name, None, Const(None), explicit, statement)
            return replace(given, type=column.type, default=given.default or column.default)
        return column

    def _reference(self, call: Call, cls: Class) -> str | None:
        if not call.node.args:
            return None
        node = call.node.args[0]
        value = self.evaluator.value(node, cls.scope)
        if isinstance(value, Const) and isinstance(value.value, str):
            return value.value
        if isinstance(node, ast.Attribute):  # ForeignKey(User.id)
            owner = self.evaluator.value(node.value, cls.scope)
            if isinstance(owner, Class):
                return f"{self._table_name(owner, self._kind(owner) or '')}.{node.attr}"
        return None

    def _relationship(
        self, cls: Class, name: str, annotation: ast.expr | None, call: Call, statement: ast.AST
    ) -> Relationship:
        target, many = None, None
        if annotation is not None:
            text = _unmapped(annotation).replace('"', "").replace("'", "")
            many = text.lower().startswith(("list[", "set[", "sequence["))
            target = text.partition("[")[2].rstrip("]") if many or "[" in text else text
            target = target.replace("| None", "").strip() or None
        elif call.node.args:
            first = self.evaluator.value(call.node.args[0], cls.scope)
            target = (
                str(first.value) if isinstance(first, Const) else ast.unparse(call.node.args[0])
            )
        if "uselist" in call.keywords:
            many = _flag(call.keywords, "uselist")
        through = next(
            (k for k in call.node.keywords if k.arg in {"secondary", "link_model"}), None
        )
        return Relationship(
            name=name,
            target=target,
            many=many,
            back_populates=_text(call.keywords.get("back_populates"))
            or _text(call.keywords.get("backref")),
            through=None if through is None else ast.unparse(through.value).strip("'\""),
            at=cls.scope.source.at(statement),
        )

    def _together(self, cls: Class) -> Iterator[tuple[str, ...]]:
        for value in listed(cls.scope.names.get("__table_args__")):
            if isinstance(value, Call):
                callee = self.evaluator.name_of(value.callee)
                unique = callee.endswith(".Index") and _flag(value.keywords, "unique")
                if callee.endswith(".UniqueConstraint") or unique:
                    columns = value.arguments[1:] if unique else value.arguments
                    yield tuple(str(one.value) for one in columns if isinstance(one, Const))

    # users and owners

    def _with_owners(self, models: list[Model], users: frozenset[str]) -> tuple[Model, ...]:
        models = [self._counted(model, models) for model in models]
        user = max(models, key=lambda model: _like_a_user(model, users), default=None)
        if user is not None and _like_a_user(user, users) == 0:
            user = None
        return tuple(
            replace(model, is_user=True)
            if model is user
            else replace(model, owner_column=_owner_column(model, user))
            for model in models
        )

    @staticmethod
    def _counted(model: Model, models: list[Model]) -> Model:
        """A relationship that does not say so is to one where this table holds the key."""
        tables = {other.name: other.table for other in models}
        keys = {
            table
            for column in model.columns
            for table in (column.foreign_key or "").split(".")[:-1]
        }
        return replace(
            model,
            relationships=tuple(
                replace(one, many=tables[one.target] not in keys)
                if one.many is None and one.target in tables
                else one
                for one in model.relationships
            ),
        )


def _owner_column(model: Model, user: Model | None) -> str | None:
    """With users elsewhere (Better Auth, Auth0) there is no key to go by, only a name."""
    table = user.table if user is not None else None
    mine = [
        column.attribute
        for column in model.columns
        if table in (column.foreign_key or "").split(".")[:-1]
        or (column.foreign_key is None and column.attribute in {"user_id", "owner_id"})
    ]
    return min(
        mine,
        key=lambda name: _OWNERS.index(name) if name in _OWNERS else len(_OWNERS),
        default=None,
    )


def _like_a_user(model: Model, users: frozenset[str]) -> int:
    columns = {column.attribute for column in model.columns}
    return (
        4 * (model.name in users)
        + 3 * (model.name.lower() in _USERS)
        + 2 * bool(columns & _PASSWORDS)
        + ("Account" in model.bases)
    )


def _flag(keywords: dict[str, Value], name: str) -> bool:
    return keywords.get(name) == Const(True)


def _text(value: Value | None) -> str | None:
    return value.value if isinstance(value, Const) and isinstance(value.value, str) else None


def _default(calls: list[Call], names: tuple[str, ...]) -> str | None:
    for call in calls:
        for keyword in call.node.keywords:
            if keyword.arg in names and ast.unparse(keyword.value) != "None":
                if keyword.arg == "server_default":
                    return "the database's"
                return ast.unparse(keyword.value)
    return None


def _is_optional(value: Value, annotation: ast.expr) -> bool:
    if isinstance(value, Annotated):
        return _is_optional(value.values[0], annotation)
    if isinstance(value, Generic):
        if isinstance(value.base, Outside) and value.base.name in {
            "typing.Optional",
            "|",
            "typing.Union",
        }:
            optional = value.base.name == "typing.Optional"
            return (
                optional
                or Const(None) in value.arguments
                or any(
                    isinstance(one, Generic) and _is_optional(one, annotation)
                    for one in value.arguments
                )
            )
        return False
    return "Optional[" in ast.unparse(annotation) or "| None" in ast.unparse(annotation)


def _unmapped(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    if isinstance(annotation, ast.Subscript) and "Mapped" in ast.unparse(annotation.value):
        annotation = annotation.slice
    return _unoptional(annotation)


def _unoptional(annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.replace(" | None", "")
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Optional"):
        return ast.unparse(annotation.slice)
    return ast.unparse(annotation).replace(" | None", "").replace("None | ", "")


def _returned(function: ast.FunctionDef) -> ast.expr | None:
    text = ast.unparse(function.returns) if function.returns is not None else ""
    return function.returns if text.startswith("Mapped") else None
