"""What finds passages: the protocol of the two engines, Qdrant embedded and Qdrant's server.

An index holds no text and decides nothing: it is asked with the owner, answers with ids, and who
asked reads these through the door.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from qdrant_edge import Bm25, Bm25Config


class EmbeddingFailed(Exception):
    """No vectors were to be had of a model; why, in words."""


WORDS, DENSE = "words", "dense"
"""The names of a point's vectors."""


@dataclass(frozen=True, slots=True)
class Words:
    """A sparse vector of the words of a text."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Point:
    """A passage, as an index knows it."""

    id: UUID
    owner_id: UUID
    document_id: UUID
    words: Words
    dense: list[float] | None


@dataclass(frozen=True, slots=True)
class Question:
    owner_id: UUID
    words: Words
    dense: list[float] | None
    documents: tuple[UUID, ...] | None
    """Only in these; None: in all of the owner's."""
    limit: int


@dataclass(frozen=True, slots=True)
class Hits:
    """Ids and scores, the best first: by words (BM25), and by meaning (cosine)."""

    words: list[tuple[UUID, float]]
    dense: list[tuple[UUID, float]]


class SearchIndex(Protocol):
    async def search(self, question: Question) -> Hits: ...

    async def forget(self, ids: Sequence[UUID]) -> None: ...


class Encoder:
    """Texts as sparse vectors, by BM25 (Robertson and Zaragoza, 2009) with the stemmer and stop
    words of a language. How rare a word is, is counted among the owner's passages, when asking."""

    def __init__(self, language: str) -> None:
        """Raises ValueError for a language that there is not."""
        self._bm25 = Bm25(Bm25Config(language=language, avg_len=120.0))

    def of_passage(self, text: str) -> Words:
        vector = self._bm25.embed_document(text)
        return Words(list(vector.indices), list(vector.values))

    def of_question(self, text: str) -> Words:
        vector = self._bm25.embed_query(text)
        return Words(list(vector.indices), list(vector.values))


@lru_cache(maxsize=8)
def encoder(language: str) -> Encoder:
    return Encoder(language)


def floats(vector: bytes | None) -> list[float] | None:
    return None if vector is None else array("f", vector).tolist()
