"""What a plan is to bring about: verification looks for it."""

from dataclasses import dataclass

from apiwright.generators.fields import Resource


@dataclass(frozen=True)
class Wanted:
    routes: tuple[tuple[str, str], ...]
    """Methods and paths."""
    module: str
    """That of the functions which answer."""
    tests: str
    """The path of the new tests; empty where there are none."""
    functions: tuple[str, ...] = ()
    """Their names, where the module has others besides."""
    model: tuple[str, str] | None = None
    """The module and the name of the new model, in a project that is not on the kit: there two
    users try the routes."""
    resource: Resource | None = None
    owned: bool = False
    """Whether a row is its user's alone."""
    guarded: tuple[tuple[str, str], ...] = ()
    """Routes that must ask for a login, because those of the sibling do."""
