"""Vectors of texts, from any endpoint that speaks OpenAI's `/embeddings`."""

from array import array
from collections import OrderedDict
from collections.abc import Sequence

from openai import AsyncOpenAI, OpenAIError

from apiwright.kit.search_index import EmbeddingFailed

_BATCH = 64
_KEPT = 1000  # of questions
_SECONDS = 30.0


class Embeddings:
    """One model at one endpoint. The client retries what may pass: 429, 5xx, cut connections."""

    def __init__(self, model: str, key: str | None, base_url: str | None) -> None:
        self.model = model
        self._client = AsyncOpenAI(
            api_key=key or "none", base_url=base_url, timeout=_SECONDS, max_retries=3
        )
        self._dimension: int | None = None
        self._questions: OrderedDict[str, bytes] = OrderedDict()

    async def dimension(self) -> int:
        """Raises EmbeddingFailed."""
        if self._dimension is None:
            await self.of_question("dimension")
        assert self._dimension is not None
        return self._dimension

    async def of(self, texts: Sequence[str]) -> list[bytes]:
        """Each as 32-bit floats. Raises EmbeddingFailed, also when the model answers with another
        number of dimensions than before."""
        found: list[bytes] = []
        for start in range(0, len(texts), _BATCH):
            found += await self._of(texts[start : start + _BATCH])
        return found

    async def of_question(self, text: str) -> bytes:
        """As `of`; the last thousand are remembered."""
        vector = self._questions.pop(text, None)
        if vector is None:
            (vector,) = await self._of([text])
        self._questions[text] = vector
        if len(self._questions) > _KEPT:
            self._questions.popitem(last=False)
        return vector

    async def close(self) -> None:
        await self._client.close()

    async def _of(self, texts: Sequence[str]) -> list[bytes]:
        try:
            answer = await self._client.embeddings.create(
                model=self.model, input=list(texts), encoding_format="float"
            )
        except OpenAIError as error:
            raise EmbeddingFailed(f"The embeddings failed: {type(error).__name__}.") from error
        data = answer.data or []  # None: some endpoints say 200 and mean an error
        vectors = [one.embedding for one in sorted(data, key=lambda one: one.index)]
        dimensions = {len(vector) for vector in vectors}
        if len(vectors) != len(texts) or len(dimensions) != 1:
            raise EmbeddingFailed("The embeddings failed: not one vector for each text.")
        (dimension,) = dimensions
        if self._dimension not in (None, dimension):
            raise EmbeddingFailed(
                f"The model {self.model} answers with {dimension} dimensions, and had"
                f" {self._dimension} before."
            )
        self._dimension = dimension
        return [array("f", vector).tobytes() for vector in vectors]
