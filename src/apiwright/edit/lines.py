"""Texts as lines that keep their ends, and splices: lines put in the place of lines.

A line ends with LF, CRLF or CR, as Python and libcst have it; not with a form feed or the other
characters that `str.splitlines` takes for ends.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

BOM = "\ufeff"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_BLANK = " \t\f\r\n"


def split(text: str) -> list[str]:
    return _LINE.findall(text)


def without_end(line: str) -> str:
    return line.rstrip("\r\n")


def end_of(line: str) -> str:
    return line[len(without_end(line)) :]


def is_blank(line: str) -> bool:
    return not line.strip(_BLANK)


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def newline_of(lines: Sequence[str], near: int = 0) -> str:
    """The line end in use at that line: of the line before it, else of the file."""
    before = lines[near - 1 : near] if near else []
    ends = [end_of(line) for line in (*before, *lines)]
    return next((end for end in ends if end), "\n")


def same(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether the lines are equal but for their ends."""
    return [without_end(line) for line in a] == [without_end(line) for line in b]


@dataclass(frozen=True)
class Splice:
    """From line `at` on, the lines `took` become the lines `put`; each with its end."""

    at: int
    took: tuple[str, ...]
    put: tuple[str, ...]

    @property
    def added(self) -> tuple[str, ...]:
        """What it put there beyond a line that only got an end."""
        kept = len(self.took)
        return self.put[kept:] if same(self.took, self.put[:kept]) else self.put

    def into(self, text: str) -> str:
        return self._exchange(text, self.took, self.put)

    def out_of(self, text: str) -> str:
        """The text before `into`. Raises ValueError when `put` does not stand there."""
        return self._exchange(text, self.put, self.took)

    def _exchange(self, text: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
        bom, lines = text[: text.startswith(BOM)], split(text.removeprefix(BOM))
        stop = self.at + len(old)
        if tuple(lines[self.at : stop]) != old:
            raise ValueError(f"other lines stand at line {self.at + 1}")
        return bom + "".join([*lines[: self.at], *new, *lines[stop:]])


def insert(lines: Sequence[str], at: int, new: Sequence[str]) -> Splice:
    """Put lines, given without their ends, before line `at`. A file whose last line has no end
    keeps a last line without one."""
    end = newline_of(lines, at)
    put = [line + end for line in new]
    if at == len(lines) and lines and not end_of(lines[-1]):
        last = lines[-1]
        return Splice(at - 1, (last,), (last + end, *put[:-1], without_end(put[-1])))
    return Splice(at, (), tuple(put))


def cut(lines: Sequence[str], first: int, stop: int) -> str:
    """The text without these lines: what undoes `insert`, also where the last line has no end."""
    kept = [*lines[:first], *lines[stop:]]
    if stop == len(lines) and first and not end_of(lines[-1]):
        kept[-1] = without_end(kept[-1])
    return "".join(kept)


def cut_with_blanks(lines: Sequence[str], first: int, stop: int, made: Splice) -> str:
    """`cut`, and the blank lines around them that `made` brought along, where they still stand."""
    put = made.added
    before = next((i for i, line in enumerate(put) if not is_blank(line)), 0)
    after = next((i for i, line in enumerate(reversed(put)) if not is_blank(line)), 0)
    while before and first and is_blank(lines[first - 1]):
        first, before = first - 1, before - 1
    while after and stop < len(lines) and is_blank(lines[stop]):
        stop, after = stop + 1, after - 1
    return cut(lines, first, stop)


def between(lines: Sequence[str], start: tuple[int, int], stop: tuple[int, int]) -> str:
    """The characters from `start` to `stop`, (line, column) each."""
    (first, left), (last, right) = start, stop
    if first == last:
        return lines[first][left:right]
    return "".join([lines[first][left:], *lines[first + 1 : last], lines[last][:right]])


def replace(
    lines: Sequence[str], start: tuple[int, int], stop: tuple[int, int], new: str
) -> Splice:
    """Put `new` in the place of the characters from `start` to `stop`, (line, column) each."""
    (first, left), (last, right) = start, stop
    text = lines[first][:left] + new + lines[last][right:]
    return Splice(first, tuple(lines[first : last + 1]), tuple(split(text)))
