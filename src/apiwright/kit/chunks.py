"""A text cut into passages, along its own structure: headings, paragraphs, lines, sentences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MOST = 1200  # characters
_LEAST = 200

# where a text may be cut, the best first; each is kept with what stands before it
_SEAMS = (
    re.compile(r"\n(?=#{1,6} )"),  # headings of Markdown
    re.compile(r"\n{2,}"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?])\s+"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text[start:end]`, without space around it."""

    start: int
    end: int
    heading: str
    """Those that it stands under, the outermost first: "Travel / Trains"."""


def split(text: str) -> Iterator[Chunk]:
    """Passages of at most 1200 characters, one after another, with no text left out. A heading
    begins a new one, unless the one before is short."""
    headings = _Headings(text)
    for start, end in _pieces(text, 0, len(text), 0):
        stripped = text[start:end].strip()
        if stripped:
            first = text.index(stripped, start)
            yield Chunk(first, first + len(stripped), headings.above(first))


def _pieces(text: str, start: int, end: int, seam: int) -> Iterator[tuple[int, int]]:
    """Cut at a kind of seam, with what is too long cut at the next kind, and neighbours put
    together as long as they fit."""
    if end - start <= _MOST and (seam > 0 or not _SEAMS[0].search(text, start, end)):
        yield start, end
        return
    if seam == len(_SEAMS):  # a word without end
        for begin in range(start, end, _MOST):
            yield begin, min(begin + _MOST, end)
        return
    ends = [found.end() for found in _SEAMS[seam].finditer(text, start, end)]
    open_from = start
    for begin, until in zip([start, *ends], [*ends, end], strict=True):
        fits = until - open_from <= _MOST
        if begin - open_from < _LEAST or (fits and seam > 0):
            continue
        yield from _pieces(text, open_from, begin, seam + 1)
        open_from = begin
    if end > open_from:
        yield from _pieces(text, open_from, end, seam + 1)


class _Headings:
    """Of Markdown, asked about places one after another."""

    def __init__(self, text: str) -> None:
        self._left = re.finditer(r"^(#{1,6}) +(.+)$", text, re.MULTILINE)
        self._next = next(self._left, None)
        self._path: list[tuple[int, str]] = []

    def above(self, place: int) -> str:
        while self._next is not None and self._next.start() <= place:
            level = len(self._next[1])
            self._path = [one for one in self._path if one[0] < level]
            self._path.append((level, self._next[2].strip()))
            self._next = next(self._left, None)
        return " / ".join(title for _, title in self._path)[:300]
