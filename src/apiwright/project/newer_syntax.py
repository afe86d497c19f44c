"""Python newer than the running one, said in older words, line by line the same.

Only to be read: what is lost (type parameters, what stands inside such an f-string) tells nothing
of a project.
"""

# ruff: noqa: N802  # libcst's names

import libcst
from libcst import (
    BaseExpression,
    ClassDef,
    ExceptHandler,
    ExceptStarHandler,
    FormattedString,
    FunctionDef,
    LeftParen,
    Module,
    Name,
    ParserSyntaxError,
    RightParen,
    SimpleString,
    SimpleWhitespace,
    TemplatedString,
    Tuple,
    TypeAlias,
)


def older(content: bytes) -> bytes | None:
    """None when libcst cannot parse it either."""
    try:
        return libcst.parse_module(content).visit(_Older()).bytes
    except (ParserSyntaxError, UnicodeDecodeError, RecursionError):
        return None


class _Older(libcst.CSTTransformer):
    def leave_FunctionDef(
        self, original_node: FunctionDef, updated_node: FunctionDef
    ) -> FunctionDef:
        return updated_node.with_changes(type_parameters=None)

    def leave_ClassDef(self, original_node: ClassDef, updated_node: ClassDef) -> ClassDef:
        return updated_node.with_changes(type_parameters=None)

    def leave_TypeAlias(self, original_node: TypeAlias, updated_node: TypeAlias) -> libcst.Assign:
        return libcst.Assign([libcst.AssignTarget(updated_node.name)], updated_node.value)

    def leave_ExceptHandler(
        self, original_node: ExceptHandler, updated_node: ExceptHandler
    ) -> ExceptHandler:
        return updated_node.with_changes(type=_parenthesised(updated_node.type))

    def leave_ExceptStarHandler(
        self, original_node: ExceptStarHandler, updated_node: ExceptStarHandler
    ) -> ExceptStarHandler:
        return updated_node.with_changes(type=_parenthesised(updated_node.type))

    def leave_FormattedString(
        self, original_node: FormattedString, updated_node: FormattedString
    ) -> BaseExpression:
        code = Module([]).code_for_node(original_node)
        try:
            compile(code, "", "eval")
        except SyntaxError:
            return _blank(code)
        return updated_node

    def leave_TemplatedString(
        self, original_node: TemplatedString, updated_node: TemplatedString
    ) -> BaseExpression:
        return _blank(Module([]).code_for_node(original_node))


def _parenthesised(caught: BaseExpression | None) -> BaseExpression | None:
    if isinstance(caught, Tuple) and not caught.lpar:
        return caught.with_changes(lpar=[LeftParen()], rpar=[RightParen()])
    return caught


def _blank(code: str) -> BaseExpression:
    """A name that stands for a string, over as many lines."""
    if "\n" in code:
        return SimpleString('"""' + "\n" * code.count("\n") + '"""')
    return Name("unreadable", lpar=[LeftParen(SimpleWhitespace(""))], rpar=[RightParen()])
