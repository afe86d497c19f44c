"""A server that speaks OpenAI's API as far as the tests need it (embeddings, responses, chat
completions), and says what a test tells it."""

import asyncio
import hashlib
import json
import math
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse


@dataclass(frozen=True)
class Step:
    """What a model says to one request."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Tools and arguments, called at once."""
    cut: bool = False
    """The connection ends in the middle of the text."""
    pause: float = 0.0
    """Seconds before each word."""


@dataclass
class OpenAIServer:
    url: str = ""
    dimensions: int = 32
    fails: list[int] = field(default_factory=list)
    """Statuses to answer with, one a request, before it works again."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    """What the model says, one a request; "Yes." when there is none left."""

    def next(self, body: dict[str, Any]) -> Step | Response:
        if self.fails:
            return self.refuse(body)
        self.requests.append(body)
        return self.steps.pop(0) if self.steps else Step("Yes.")

    def refuse(self, body: dict[str, Any]) -> JSONResponse:
        self.requests.append(body)
        return JSONResponse({"error": {"message": "no"}}, self.fails.pop(0))


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
        if state.fails:
            return state.refuse(body)
        state.requests.append(body)
        data = [
            {"object": "embedding", "index": index, "embedding": vector(text, state.dimensions)}
            for index, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return JSONResponse(
            {"object": "list", "model": body["model"], "data": data, "usage": usage}
        )

    @app.post("/v1/responses")
    async def responses(request: Request) -> Response:
        said = state.next(await request.json())
        if isinstance(said, Response):
            return said
        return StreamingResponse(_responses(said), media_type="text/event-stream")

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        said = state.next(await request.json())
        if isinstance(said, Response):
            return said
        return StreamingResponse(_chat(said), media_type="text/event-stream")

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


class Cut(Exception):
    pass


async def _words(step: Step) -> AsyncIterator[str]:
    words = re.findall(r"\S+\s*", step.text)
    for number, word in enumerate(words):
        await asyncio.sleep(step.pause)
        if step.cut and number == len(words) // 2:
            raise Cut
        yield word


async def _responses(step: Step) -> AsyncIterator[str]:
    number = 0

    def event(kind: str, **more: Any) -> str:
        nonlocal number
        number += 1
        said = {"type": kind, "sequence_number": number, **more}
        return f"event: {kind}\ndata: {json.dumps(said)}\n\n"

    response: dict[str, Any] = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "scripted",
        "status": "in_progress", "output": [], "parallel_tool_calls": True, "tools": [],
        "tool_choice": "auto",
    }  # fmt: skip
    yield event("response.created", response=response)
    output: list[dict[str, Any]] = []
    if step.text:
        item: dict[str, Any] = {
            "id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress",
            "content": [],
        }  # fmt: skip
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": []}
        yield event("response.output_item.added", output_index=0, item=item)
        yield event("response.content_part.added", part=part, **where)
        async for word in _words(step):
            yield event("response.output_text.delta", delta=word, logprobs=[], **where)
        part = part | {"text": step.text}
        item = item | {"status": "completed", "content": [part]}
        yield event("response.output_item.done", output_index=0, item=item)
        output.append(item)
    for index, (name, arguments) in enumerate(step.calls, len(output)):
        item = {
            "id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}", "name": name,
            "arguments": json.dumps(arguments), "status": "completed",
        }  # fmt: skip
        yield event("response.output_item.added", output_index=index, item=item)
        yield event("response.output_item.done", output_index=index, item=item)
        output.append(item)
    usage = {
        "input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip
    done = response | {"status": "completed", "output": output, "usage": usage}
    yield event("response.completed", response=done)


async def _chat(step: Step) -> AsyncIterator[str]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        said = {
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }  # fmt: skip
        return f"data: {json.dumps(said)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    async for word in _words(step):
        yield chunk({"content": word})
    for index, (name, arguments) in enumerate(step.calls):
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"index": index, "id": f"call_{index}", "type": "function", "function": function}
        yield chunk({"tool_calls": [call]})
    yield chunk({}, "tool_calls" if step.calls else "stop")
    usage = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
        "choices": [],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }  # fmt: skip
    yield f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n"
