"""What every edit is: a value that can tell whether it is made, make itself, and take itself back.

An edit puts its lines into a text and leaves every other byte as it was. It never guesses: what
it does not understand, it says (`CouldNot`), and `paste` is what the user can then put in by hand.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar

from apiwright.edit.lines import BOM, Splice


class CouldNot(Exception):
    """Why an edit cannot be made, or cannot be taken back: a sentence."""


@dataclass(frozen=True)
class Edit(ABC):
    """Subclasses say where their lines go (`_splice`), and how to find them again (`_remove`)."""

    kinds: ClassVar[dict[str, type["Edit"]]] = {}
    last: ClassVar[bool] = False
    """Taken back after the others: what it put may be in use by them."""

    def __init_subclass__(cls) -> None:
        Edit.kinds[cls.__name__] = cls

    def splice(self, text: str) -> Splice | None:
        """What to put where; None: it is there already. Raises CouldNot."""
        text = text.removeprefix(BOM)
        self._read(text)
        found = self._splice(text)
        if found is None:
            return None
        after = found.into(text)
        try:
            self._read(after)
            done = self._splice(after) is None
        except CouldNot as reason:
            raise CouldNot(f"the result would not do: {reason}") from None
        if not done:
            raise CouldNot("the place for it is not understood")
        return found

    def apply(self, text: str) -> str:
        """The text with the edit; the same text when it is there already. Raises CouldNot."""
        found = self.splice(text)
        return text if found is None else found.into(text)

    def precondition(self, text: str) -> str | None:
        """Why it could not be made; None: it can, or is there already."""
        try:
            self.splice(text)
        except CouldNot as reason:
            return str(reason)
        return None

    def holds(self, text: str) -> bool:
        """The postcondition: it is there, whoever put it there."""
        try:
            return self.splice(text) is None
        except CouldNot:
            return False

    def remove(self, text: str, made: Splice) -> str:
        """The text without what this edit put there, `made`, wherever that stands by now; the
        same text when it has gone. Raises CouldNot when the user changed it."""
        bom, body = text[: text.startswith(BOM)], text.removeprefix(BOM)
        self._read(body)
        after = self._remove(body, made)
        try:
            self._read(after)
        except CouldNot as reason:
            raise CouldNot(f"without it {reason}") from None
        return bom + after

    def as_json(self) -> dict[str, object]:
        """Its kind and its fields, those with another value than their default's."""
        defaults = {name: field.default for name, field in self.__dataclass_fields__.items()}
        given = {name: value for name, value in asdict(self).items() if value != defaults[name]}
        return {"edit": type(self).__name__, **given}

    @classmethod
    def from_json(cls, data: dict[str, object]) -> "Edit":
        fields = {name: _tuples(value) for name, value in data.items() if name != "edit"}
        return cls.kinds[str(data["edit"])](**fields)

    @abstractmethod
    def __str__(self) -> str:
        """A few words for the preview: what it does."""

    @property
    @abstractmethod
    def paste(self) -> str:
        """What to put in by hand."""

    def _read(self, text: str) -> object:
        """Raises CouldNot when the text is not one of this edit's language."""
        return None

    @abstractmethod
    def _splice(self, text: str) -> Splice | None: ...

    @abstractmethod
    def _remove(self, text: str, made: Splice) -> str: ...


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
