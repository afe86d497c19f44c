"""A server that speaks OpenAI's API as far as the tests need it, and does what a test tells it."""

import hashlib
import math
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse


@dataclass
class OpenAIServer:
    url: str = ""
    dimensions: int = 32
    fails: list[int] = field(default_factory=list)
    """Statuses to answer with, one a request, before it works again."""
    requests: list[dict[str, Any]] = field(default_factory=list)


def vector(text: str, dimensions: int) -> list[float]:
    """Texts with words in common are near each other."""
    found = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word[:5].encode()).digest()
        found[digest[0] % dimensions] += 1.0 if digest[1] % 2 else -1.0
    length = math.sqrt(sum(one * one for one in found)) or 1.0
    return [one / length for one in found]


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    state = OpenAIServer()
    app = FastAPI()

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> JSONResponse:
        body = await request.json()
        state.requests.append(body)
        if state.fails:
            return JSONResponse({"error": {"message": "no"}}, state.fails.pop(0))
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, state.dimensions)}
            for index, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return JSONResponse(
            {"object": "list", "model": body["model"], "data": data, "usage": usage}
        )

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        state.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield state
        finally:
            server.should_exit = True
            thread.join()
