"""Classes of requests and responses."""

import ast
import re
from collections import Counter
from typing import Literal

from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import Model, Role, Schema
from apiwright.project.values import Class

_BASES = {
    "pydantic.BaseModel",
    "sqlmodel.SQLModel",
    "pydantic.main.BaseModel",
    "pydantic.generics.GenericModel",
}
_NOT = {"pydantic_settings.BaseSettings", "pydantic.BaseSettings"}
_WORDS: dict[str, Role] = {
    "Create": "create", "New": "create", "Add": "create", "In": "create", "Post": "create",
    "Update": "update", "Edit": "update", "Patch": "update", "Put": "update",
    "Public": "public", "Read": "public", "Out": "public", "Response": "public",
    "InDB": "other", "InDb": "other", "Detail": "public", "Schema": "public", "Base": "base",
    "List": "list", "Page": "list", "Request": "create",
}  # fmt: skip


def all_of(evaluator: Evaluator, models: tuple[Model, ...]) -> tuple[Schema, ...]:
    tables = {(model.module, model.name) for model in models}
    found = []
    for cls in evaluator.classes():
        module = evaluator.modules.name_of(cls.scope.source)
        names = {evaluator.name_of(one) for one in evaluator.ancestry(cls)}
        if names & _BASES and not names & _NOT and (module, cls.node.name) not in tables:
            found.append(_schema(evaluator, cls, module, models))
    return tuple(sorted(set(found), key=lambda schema: (schema.at.file, schema.at.line)))


def usual_names(schemas: tuple[Schema, ...]) -> dict[str, str]:
    """{"create": "{name}Create"}"""
    votes: dict[str, Counter[str]] = {}
    for schema in schemas:
        if schema.resource and schema.role != "other":
            pattern = schema.name.replace(schema.resource, "{name}", 1)
            votes.setdefault(schema.role, Counter())[pattern] += 1
    return {role: counter.most_common(1)[0][0] for role, counter in votes.items()}


def _schema(evaluator: Evaluator, cls: Class, module: str, models: tuple[Model, ...]) -> Schema:
    name = cls.node.name
    return Schema(
        name=name,
        module=module,
        role=_role(name),
        resource=_resource(name, models),
        fields=tuple(_fields(evaluator, cls)),
        config=_config(evaluator, cls),
        at=cls.at,
    )


def _role(name: str) -> Role:
    words = re.findall(r"InDB|InDb|[A-Z][a-z0-9]*", name)
    for word in (*reversed(words), *words[:1]):
        if word in _WORDS:
            return _WORDS[word]
    return "other"


def _resource(name: str, models: tuple[Model, ...]) -> str | None:
    """The longest name of a model in it, or what is left without the word of its role."""
    inside = [model.name for model in models if model.name in name]
    if inside:
        return max(inside, key=len)
    words = re.findall(r"InDB|InDb|[A-Z][a-z0-9]*", name)
    if len(words) > 1 and words[-1] in _WORDS:
        return name.removesuffix(words[-1])
    if len(words) > 1 and words[0] in {"Create", "Update", "New", "Add", "Edit"}:
        return name.removeprefix(words[0])
    return None


def _fields(evaluator: Evaluator, cls: Class) -> list[str]:
    names: dict[str, None] = {}
    for one in reversed(evaluator.ancestry(cls)):
        if isinstance(one, Class):
            for node in one.node.body:
                if (
                    isinstance(node, ast.AnnAssign)
                    and isinstance(node.target, ast.Name)
                    and node.target.id != "model_config"
                    and "ClassVar" not in ast.unparse(node.annotation)
                ):
                    names[node.target.id] = None
    return list(names)


def _config(evaluator: Evaluator, cls: Class) -> Literal["v1", "v2"] | None:
    for one in evaluator.ancestry(cls):
        if isinstance(one, Class):
            if "model_config" in one.scope.names:
                return "v2"
            if "Config" in one.scope.names:
                return "v1"
    return None
