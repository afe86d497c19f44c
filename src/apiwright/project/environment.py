"""Settings classes and environment variables. Values of .env are never read."""

import ast
import re
from pathlib import PurePosixPath

from apiwright.project.evaluate import Evaluator
from apiwright.project.facts import Setting, Settings
from apiwright.project.files import Files, Source
from apiwright.project.values import Class, Const, Generic, Instance, Outside, Value

_BASES = {
    "pydantic_settings.BaseSettings",
    "pydantic.BaseSettings",
    "apiwright.kit.settings.Settings",
    "pydantic_settings.main.BaseSettings",
}
_KIT = (
    ("DATABASE_URL", "database_url"),
    ("SECRET_KEY", "secret_key"),
    ("FASTAPI_ENV", "fastapi_env"),
)
_EXAMPLES = (
    ".env.example",
    ".env.sample",
    ".env.template",
    "env.example",
    ".env.dist",
    ".env-example",
    "example.env",
)
_READERS = (b"environ", b"getenv", b"decouple", b"starlette.config")
_GETENV = {"os.getenv", "getenv", "os.environ.get", "environ.get"}
_SECRET = re.compile(
    r"secret|password|passwd|token|(^|_)(key|pass|pw|salt|credentials?)($|_)|api_?key|dsn",
    re.IGNORECASE,
)
_LINE = re.compile(r"^\s*(?:#\s*)?(?:export\s+)?([A-Z][A-Z0-9_]+)\s*=\s*(.*?)\s*$")


def of(evaluator: Evaluator, files: Files) -> Settings:
    examples, example_file = _examples(files)
    keys: dict[str, Setting] = {}
    first: Class | None = None
    instance = None
    for source, scope in list(evaluator.scopes.items()):
        if source.is_test:
            continue
        for name, value in scope.names.items():
            if isinstance(value, Class) and value.scope.source is source:
                if _is_settings(evaluator, value):
                    first = value if first is None or _is_below(evaluator, value, first) else first
                    for setting in _fields(evaluator, value, examples):
                        keys.setdefault(setting.key, setting)
            elif (
                isinstance(value, Instance)
                and instance is None
                and _is_settings(evaluator, value.of)
                and name not in scope.definitions  # imported
            ):
                instance = f"{evaluator.modules.name_of(source)}:{name}"
        for setting in _read_by_hand(source, examples):
            keys.setdefault(setting.key, setting)
    return Settings(
        class_name=None
        if first is None
        else f"{evaluator.modules.name_of(first.scope.source)}:{first.node.name}",
        instance=instance,
        keys=tuple(sorted(keys.values(), key=lambda setting: setting.key)),
        example_file=example_file,
        at=None if first is None else first.at,
    )


def is_secret(key: str) -> bool:
    return bool(_SECRET.search(key))


def _is_settings(evaluator: Evaluator, cls: Class) -> bool:
    return any(evaluator.name_of(one) in _BASES for one in evaluator.ancestry(cls))


def _is_below(evaluator: Evaluator, cls: Class, other: Class) -> bool:
    return other in evaluator.ancestry(cls)


def _fields(evaluator: Evaluator, cls: Class, examples: dict[str, str]) -> list[Setting]:
    prefix = _prefix(evaluator, cls)
    found = []
    for one in evaluator.ancestry(cls):
        if evaluator.name_of(one) == "apiwright.kit.settings.Settings":
            found += [
                Setting(key, field, "str", False, examples.get(key), cls.at) for key, field in _KIT
            ]
        if not isinstance(one, Class):
            continue
        for node in one.node.body:
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            name = node.target.id
            said = evaluator.annotation(node.annotation, one.scope)
            if name == "model_config" or evaluator.name_of(said).endswith("ClassVar"):
                continue
            key, required = _key(name, prefix, node.value)
            found.append(
                Setting(
                    key,
                    name,
                    _type(said, node.annotation),
                    required,
                    examples.get(key) if not is_secret(key) else None,
                    one.scope.source.at(node),
                )
            )
    return found


def _key(name: str, prefix: str, default: ast.expr | None) -> tuple[str, bool]:
    if isinstance(default, ast.Call) and ast.unparse(default.func).rpartition(".")[2] == "Field":
        given = {keyword.arg: keyword.value for keyword in default.keywords}
        required = not {"default", "default_factory"} & set(given)
        if default.args:
            required = ast.unparse(default.args[0]) in {"...", "Ellipsis"}
        for alias in ("validation_alias", "alias", "env"):
            value = given.get(alias)
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                return value.value.upper(), required
        return (prefix + name).upper(), required
    return (prefix + name).upper(), default is None


def _type(said: Value, annotation: ast.expr) -> str:
    """Of an enum or a Literal, what may be written: Literal['local', 'production']."""
    if isinstance(said, Class):
        members = [value.value for value in said.scope.names.values() if isinstance(value, Const)]
        if members:
            return f"Literal{members!r}"
    if isinstance(said, Generic) and isinstance(said.base, Outside) and "Literal" in said.base.name:
        return f"Literal{[one.value for one in said.arguments if isinstance(one, Const)]!r}"
    return ast.unparse(annotation)


def _prefix(evaluator: Evaluator, cls: Class) -> str:
    for one in evaluator.ancestry(cls):
        if isinstance(one, Class):
            for name in ("model_config", "Config"):
                config = one.scope.names.get(name)
                given = getattr(config, "keywords", None) or getattr(config, "values", None)
                if isinstance(config, Class):
                    given = config.scope.names
                if isinstance(given, dict) and isinstance(value := given.get("env_prefix"), Const):
                    return str(value.value)
    return ""


def _read_by_hand(source: Source, examples: dict[str, str]) -> list[Setting]:
    if not any(word in source.content for word in _READERS):
        return []
    keys: list[tuple[ast.expr, bool, ast.AST]] = []
    for node in source.all(ast.Subscript):
        if ast.unparse(node.value) in {"os.environ", "environ"}:
            keys.append((node.slice, isinstance(node.ctx, ast.Load), node))
    by_config = any(word in source.content for word in _READERS[2:])
    for call in source.all(ast.Call):
        if not call.args or not isinstance(call.args[0], ast.Constant):
            continue
        if ast.unparse(call.func) in _GETENV:
            keys.append((call.args[0], False, call))
        elif by_config and ast.unparse(call.func) == "config":
            given = len(call.args) > 1 or any(one.arg == "default" for one in call.keywords)
            keys.append((call.args[0], not given, call))
    return [
        Setting(
            key.value,
            None,
            "str",
            required,
            None if is_secret(key.value) else examples.get(key.value),
            source.at(node),
        )
        for key, required, node in keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    ]


def _examples(files: Files) -> tuple[dict[str, str], str | None]:
    paths = [path for path in files.paths if PurePosixPath(path).name in _EXAMPLES]
    if not paths:
        return {}, None
    path = min(paths, key=lambda path: (path.count("/"), path))
    found = {}
    for line in files.text(path).splitlines():
        if match := _LINE.match(line):
            found[match[1]] = match[2].strip("'\"")
    # of a URL, only what kind it is: people do write passwords into examples
    plain = {key: re.sub(r"://.*@.*", "://", value) for key, value in found.items()}
    return {key: value for key, value in plain.items() if not is_secret(key)}, path
