"""One resource's names in another's place: todo, todos, Todo, TODO_ITEMS, /todo-items.

Words are renamed, never letters within a word: `tags` is not in `stages`, nor `list` in `listing`.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from apiwright.generators.exemplar import Noun

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Renames:
    old: tuple[Noun, ...]
    new: Noun

    def has(self, text: str) -> bool:
        return self.identifier(text) != text

    def identifier(self, name: str) -> str:
        """get_todo_or_404, TodoCreate, TODO_LIMIT; a path's or a file's parts, too."""
        found = list(_WORD.finditer(name))
        said = [match[0].lower() for match in found]
        result, last, at = "", 0, 0
        while at < len(found):
            for form, new in self._forms():
                if said[at : at + len(form)] == form:
                    start, stop = found[at].start(), found[at + len(form) - 1].end()
                    result += name[last:start] + self._written(new, name[start:stop], name)
                    last, at = stop, at + len(form)
                    break
            else:
                at += 1
        return result + name[last:]

    def text(self, text: str, known: Collection[str] = ()) -> str:
        """A message, a comment, a path. Words of it, and names that are `known`."""
        bare = text.strip("\"'")
        is_code = bare.isidentifier() or ("[" in bare and " " not in bare)

        def named(match: re.Match[str]) -> str:
            name = match[0]
            if name in known and (is_code or not self._is_noun(name)):
                return self.identifier(name)
            return name

        text = _TOKEN.sub(named, text)
        for form, new in self._forms():
            pattern = "[ _-]?".join(map(re.escape, form))
            text = re.sub(
                rf"(\b[Aa]n? )?(?<![A-Za-z0-9])({pattern})(?![A-Za-z0-9])",
                lambda match, new=new: (
                    _article(match[1], new)  # type: ignore[misc]
                    + self._said(new, match[2], _joint(match))
                ),
                text,
                flags=re.IGNORECASE,
            )
        return text

    def _is_noun(self, name: str) -> bool:
        """Whether it is what people call it, too: `Book not found`."""
        return [word.lower() for word in _WORD.findall(name)] in [form for form, _ in self._forms()]

    def _forms(self) -> Iterator[tuple[list[str], str]]:
        for noun in sorted(self.old, key=lambda each: -len(each.one)):
            yield noun.many.split("_"), self.new.many
            yield noun.one.split("_"), self.new.one

    @staticmethod
    def _written(new: str, old: str, whole: str) -> str:
        """In the case that the old one is written in."""
        if old.isupper() and len(old) > 1:
            return new.upper()
        camel = "".join(word[:1].upper() + word[1:] for word in new.split("_"))
        if old[:1].isupper():
            return camel
        if "-" in old:
            return new.replace("_", "-")
        in_camel = "_" not in whole and whole.lower() != whole
        return camel[:1].lower() + camel[1:] if in_camel else new

    @staticmethod
    def _said(new: str, old: str, usual: str) -> str:
        parts = new.split("_")
        if old.isupper() and len(old) > 1:
            parts = [part.upper() for part in parts]
        joint = next((each for each in old if each in " _-"), None)
        if joint is None and old[:1].isupper() and re.search("[a-z][A-Z]", old):
            return "".join(part[:1].upper() + part[1:] for part in parts)
        if old[:1].isupper():
            all_of_them = bool(re.search(r"[ _-][A-Z]", old))
            parts = [
                part[:1].upper() + part[1:] if number == 0 or all_of_them else part
                for number, part in enumerate(parts)
            ]
        return (joint or usual).join(parts)


def _joint(match: "re.Match[str]") -> str:
    """What joins words here: /line-items, {line_item_id}, "a line item"."""
    before, after = match.string[: match.start(2)][-1:], match.string[match.end(2) :][:1]
    if "_" in (before, after) or before == "{" or after == ".":
        return "_"
    if before == "/":
        return "-"
    return " " if re.search(r"\s", match.string.strip()) or not match[2].islower() else "_"


def _article(before: str | None, new: str) -> str:
    if not before:
        return ""
    return f"{before[0]}{'n' if new[0] in 'aeiou' else ''} "
