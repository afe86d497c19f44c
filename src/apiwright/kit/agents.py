"""An assistant that acts as the user: the OpenAI Agents SDK on any endpoint that speaks OpenAI's
API, with threads that are owned rows, tools that are the project's own service functions, and
answers that are streamed.

The model decides nothing about who may do what: a tool runs in a session of whoever asks, so what
a document or a model says widens nothing. No connection is held while an answer is streamed.
"""

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import wraps
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar
from uuid import UUID

from agents import (
    Agent,
    AgentsException,
    MaxTurnsExceeded,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    RunContextWrapper,
    RunHooks,
    Runner,
    RunResultStreaming,
    RunState,
    function_tool,
)
from agents import FunctionTool as Tool
from agents.memory import SessionSettings
from fastapi import Depends, FastAPI, Request
from fastapi.sse import ServerSentEvent
from openai import AsyncOpenAI
from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic import Field as Setting
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import JSON, func, not_, or_
from sqlmodel import Field, col, delete, select, update

from apiwright.errors import ApiwrightError
from apiwright.kit.database import AppDatabase, Database
from apiwright.kit.logins import UserSession
from apiwright.kit.problems import Conflict, Problem, may_answer
from apiwright.kit.session import Session
from apiwright.kit.tables import Owned, Timestamps

logger = logging.getLogger("apiwright.agents")

P = ParamSpec("P")
R = TypeVar("R")

_MOST_ITEMS = 200  # of a thread that the model is shown
_MOST_CHARACTERS = 40_000  # of these; each call of a run is charged for them
_MOST_AT_ONCE = 3  # answers that are being made for one user
_TOOL_SECONDS = 20.0
_SLACK = timedelta(seconds=15)


class AgentSettings(BaseSettings):
    """A project's settings inherit from it: `class Settings(settings.Settings, AgentSettings)`."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore")

    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    agent_model: str = "gpt-5-mini"
    agent_api: Literal["responses", "chat"] = "responses"
    agent_turns: int = Setting(default=8, ge=1)
    agent_seconds: int = Setting(default=120, ge=1)
    agent_tokens: int = Setting(default=50_000, ge=1)


class ThreadTable(Owned, Timestamps):
    """A conversation; the table `thread`."""

    __tablename__ = "thread"

    title: str = Field(default="", max_length=200)
    busy_until: datetime | None = None
    """An answer is being made, at most until then."""
    pending: str | None = None
    """The run that waits for a decision."""
    last_event: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class ItemTable(Owned):
    """What was said in a thread, as the model is shown it; the table `thread_item`."""

    __tablename__ = "thread_item"

    thread_id: UUID = Field(foreign_key="thread.id", index=True, ondelete="CASCADE")
    item: dict[str, Any] = Field(sa_type=JSON)


class EventTable(Owned):
    """What was streamed of a thread's last answer; the table `thread_event`."""

    __tablename__ = "thread_event"

    thread_id: UUID = Field(foreign_key="thread.id", index=True, ondelete="CASCADE")
    number: int
    kind: str = Field(max_length=20)
    data: dict[str, Any] = Field(sa_type=JSON)


class Event(BaseModel):
    """A part of an answer. `kind` and `data`:

    | kind | data |
    |---|---|
    | token | text |
    | tool | name, of a tool that is being used |
    | citation | number, document_id, title, chunk_id, start, end, snippet |
    | approval | call, tool, arguments: `decide` goes on |
    | done | tokens, how many the run has used |
    | error | detail |
    """

    number: int
    kind: Literal["token", "tool", "citation", "approval", "done", "error"]
    data: dict[str, Any]

    def sent(self) -> ServerSentEvent:
        return ServerSentEvent(event=self.kind, data=self.data, id=str(self.number))


# who asks, and what for


@dataclass
class Asker:
    """Who the assistant acts for: the context of a run, which the model never sees."""

    database: Database
    user_id: UUID
    state: Any = None
    """`app.state`, where the project keeps what its tools need besides."""
    cited: list[dict[str, Any]] = field(default_factory=list)
    """What tools have found, to be cited."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A session of theirs, for one tool call; committed at its end."""
        return self.database.session(self.user_id)

    def cite(self, passage: BaseModel) -> int:
        """Have the answer cite a passage. Returns its number in the answer."""
        said = passage.model_dump(mode="json", exclude={"text", "score"})
        self.cited.append(said | {"number": len(self.cited) + 1})
        return len(self.cited)


def tool(
    service: Callable[Concatenate[Session, P], Awaitable[object]], *, needs_approval: bool = False
) -> Tool:
    """A service function, `async def create_task(session: Session, data: TaskCreate)`, as a tool:
    its name, docstring and parameters are what the model is told. It runs in a session of its own
    of whoever asks; what it returns, and the problem that it raises, is told the model. With
    `needs_approval` it runs only when they have agreed to the call."""
    signature = inspect.signature(service, eval_str=True)
    first, *others = signature.parameters.values()

    @wraps(service)
    async def called(
        context: RunContextWrapper[Asker], *arguments: P.args, **named: P.kwargs
    ) -> str:
        async with context.context.session() as session:
            return _told(await service(session, *arguments, **named))

    asker = inspect.Parameter(first.name, first.kind, annotation=RunContextWrapper[Asker])
    called.__signature__ = signature.replace(  # type: ignore[attr-defined]  # what the SDK reads
        parameters=[asker, *others], return_annotation=str
    )
    called.__annotations__ = {one.name: one.annotation for one in [asker, *others]} | {
        "return": str
    }
    del called.__wrapped__  # or its own signature is read
    made: Tool = function_tool(
        called,
        needs_approval=needs_approval,
        failure_error_function=_failure,
        timeout=_TOOL_SECONDS,
        strict_mode=False,
    )
    return made


def _told(result: object) -> str:
    return TypeAdapter(Any).dump_json(result).decode()


def _failure(context: RunContextWrapper[Any], error: Exception) -> str:
    """A problem says nothing that its reader may not know."""
    if isinstance(error, Problem):
        return f"It was not done: {error.detail}"
    logger.error("a tool failed", exc_info=error)
    return "It was not done: something went wrong."


# threads


@dataclass(frozen=True, slots=True)
class _Models:
    thread: Any
    item: Any
    event: Any


def _models() -> _Models:
    return _Models(_table(ThreadTable), _table(ItemTable), _table(EventTable))


def _table(base: type[Any]) -> Any:
    for model in base.__subclasses__():
        if hasattr(model, "__table__"):
            return model
    raise ApiwrightError(
        f"The project has no table of {base.__name__}.",
        f"Write it in models.py: `class …({base.__name__}, table=True)`.",
    )


class _Items:
    """The SDK's session, of a thread's rows."""

    session_settings: SessionSettings | None = None

    def __init__(self, asker: Asker, thread_id: UUID) -> None:
        self._asker, self._thread_id = asker, thread_id
        self.session_id = str(thread_id)

    async def get_items(self, limit: int | None = None) -> list[Any]:
        item = _models().item
        newest = (
            select(item.item)
            .where(item.thread_id == self._thread_id)
            .order_by(col(item.id).desc())
            .limit(limit or _MOST_ITEMS)
        )
        async with self._asker.session() as session:
            found = (await session.exec(newest)).all()
        left, kept = _MOST_CHARACTERS, []
        for one in found:
            left -= len(json.dumps(one))
            if left < 0:
                break
            kept.append(one)
        return _whole(kept[::-1])

    async def add_items(self, items: Sequence[Any]) -> None:
        async with self._asker.session() as session:
            for item in items:
                await session.add(_models().item(thread_id=self._thread_id, item=dict(item)))

    async def pop_item(self) -> Any | None:
        item = _models().item
        last = (
            select(item)
            .where(item.thread_id == self._thread_id)
            .order_by(col(item.id).desc())
            .limit(1)
        )
        async with self._asker.session() as session:
            found = (await session.exec(last)).first()
            if found is not None:
                await session.delete(found)
        return None if found is None else found.item

    async def clear_session(self) -> None:
        item = _models().item
        async with self._asker.session() as session:
            await session.exec(delete(item).where(col(item.thread_id) == self._thread_id))


def _whole(items: list[Any]) -> list[Any]:
    """From something that the user said, without results whose calls are not there any more, and
    calls that never got a result, with what the model thought before these: it refuses them."""
    begin = next((at for at, one in enumerate(items) if one.get("role") == "user"), len(items))
    items = items[begin:]
    calls = {one.get("call_id") for one in items if one.get("type") == "function_call"}
    results = {one.get("call_id") for one in items if one.get("type") == "function_call_output"}
    whole: list[Any] = []
    for one in items:
        orphan = one.get("call_id") not in calls & results
        if one.get("type") == "function_call_output" and orphan:
            continue
        if one.get("type") == "function_call" and orphan:
            while whole and whole[-1].get("type") == "reasoning":
                whole.pop()
            continue
        whole.append(one)
    return whole


class Turn:
    """An answer that is being made in a thread, by one request at a time."""

    def __init__(self, assistant: "Assistant", model: Model, asker: Asker, thread: Any) -> None:
        self.asker = asker
        self._pending: str | None = thread.pending
        self._thread_id: UUID = thread.id
        self._number: int = thread.last_event
        self._assistant, self._model = assistant, model
        self._run: RunResultStreaming | None = None
        self._unsaved: list[Event] = []
        self._open = True

    async def decide(self, call: str, approve: bool) -> "RunState[Asker]":
        """What `answer` goes on with. Raises the 409 problem when no such call waits."""
        state = None
        if self._pending is not None:
            try:
                state = await RunState.from_string(
                    self._assistant.agent,
                    self._pending,
                    context_override=RunContextWrapper(self.asker),
                )
            except Exception:  # of another version of the SDK
                logger.warning("a run that waited cannot be read any more", exc_info=True)
        waiting = state.get_interruptions() if state is not None else []
        for one in waiting:
            if one.raw_item.call_id == call:  # type: ignore[union-attr]  # of a function's call
                assert state is not None
                state.approve(one) if approve else state.reject(one)
                self._pending = None  # decided once, whatever becomes of the answer
                thread = _models().thread
                free = update(thread).where(thread.id == self._thread_id).values(pending=None)
                async with self.asker.session() as session:
                    await session.exec(free)
                return state
        raise Conflict("No such call waits for a decision (any more).")

    async def answer(self, said: "str | RunState[Asker]") -> AsyncGenerator[Event, None]:
        """The answer to what the user has said, or to what was decided, part by part. The last is
        `done`, `approval` or `error`."""
        settings, cited = self._assistant.settings, 0
        if isinstance(said, str):
            await self._forget_last()
        try:
            self._run = run = Runner.run_streamed(
                self._assistant.agent,
                said,
                context=self.asker,
                session=_Items(self.asker, self._thread_id),
                max_turns=settings.agent_turns,
                hooks=_Budget(settings.agent_tokens),
                run_config=RunConfig(
                    model=self._model,
                    model_settings=ModelSettings(include_usage=True),
                    tracing_disabled=True,
                    trace_include_sensitive_data=False,
                ),
            )
            async with asyncio.timeout(settings.agent_seconds):
                async for event in run.stream_events():
                    if event.type == "raw_response_event":
                        if event.data.type == "response.output_text.delta":
                            yield self._event("token", {"text": event.data.delta})
                    elif event.type == "run_item_stream_event" and event.name == "tool_called":
                        name = getattr(event.item.raw_item, "name", "")
                        yield self._event("tool", {"name": name})
                    while cited < len(self.asker.cited):
                        yield self._event("citation", self.asker.cited[cited])
                        cited += 1
            last = self._last(run)
        except (MaxTurnsExceeded, _TooManyTokens, TimeoutError) as error:
            last = self._event("error", {"detail": _LIMITS[type(error)]})
        except Problem as problem:
            last = self._event("error", {"detail": problem.detail})
        except Exception:
            logger.exception("an answer failed")
            last = self._event("error", {"detail": "The model did not answer."})
        await self.close()  # before the last part: they may ask again at once
        yield last

    def _last(self, run: RunResultStreaming) -> Event:
        waits = [
            {
                "call": one.raw_item.call_id,  # type: ignore[union-attr]  # of a function's call
                "tool": one.name,
                "arguments": one.arguments,
            }
            for one in run.interruptions
        ]
        if not waits:
            self._pending = None
            tokens = run.context_wrapper.usage.total_tokens
            return self._event("done", {"tokens": tokens})
        self._pending = run.to_state().to_string(context_serializer=lambda _: {})
        return self._event("approval", {"calls": waits})

    def _event(self, kind: Any, data: dict[str, Any]) -> Event:
        self._number += 1
        event = Event(number=self._number, kind=kind, data=data)
        self._unsaved.append(event)
        return event

    async def _forget_last(self) -> None:
        event = _models().event
        async with self.asker.session() as session:
            await session.exec(delete(event).where(col(event.thread_id) == self._thread_id))

    async def close(self) -> None:
        """End the run, keep what was streamed, and let go of the thread. Also when the client has
        left in the middle."""
        if not self._open:
            return
        self._open = False
        if self._run is not None and not self._run.is_complete:
            self._run.cancel()
        models = _models()
        if self._unsaved and self._unsaved[-1].kind not in ("done", "approval", "error"):
            self._event("error", {"detail": "The answer was interrupted."})
        free = (
            update(models.thread)
            .where(models.thread.id == self._thread_id)
            .values(busy_until=None, pending=self._pending, last_event=self._number)
        )
        async with self.asker.session() as session:
            for one in _together(self._unsaved):
                await session.add(
                    models.event(
                        thread_id=self._thread_id, number=one.number, kind=one.kind, data=one.data
                    )
                )
            await session.exec(free)


def _together(events: Sequence[Event]) -> list[Event]:
    """With neighbouring tokens in one, numbered as the last of them."""
    kept: list[Event] = []
    for event in events:
        last = kept[-1] if kept else None
        if last is not None and last.kind == event.kind == "token":
            text = last.data["text"] + event.data["text"]
            kept[-1] = Event(number=event.number, kind="token", data={"text": text})
        else:
            kept.append(event)
    return kept


class _TooManyTokens(AgentsException):
    pass


_LIMITS: dict[type[BaseException], str] = {
    MaxTurnsExceeded: "The answer took too many steps.",
    _TooManyTokens: "The answer took too many tokens.",
    TimeoutError: "The answer took too long.",
}


class _Budget(RunHooks[Asker]):
    def __init__(self, tokens: int) -> None:
        self._tokens = tokens

    async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
        if context.usage.total_tokens > self._tokens:
            raise _TooManyTokens


# in an app


class Assistant:
    """An agent, and where its model is; one for each app, in `app.state.assistant`."""

    def __init__(
        self, agent: Agent[Asker], settings: AgentSettings, model: Model | None = None
    ) -> None:
        """`model` instead of the one that the settings name, for tests."""
        self.agent, self.settings = agent, settings
        self._client = None if model else _client(settings)
        self._model = model or _model(settings, self._client)

    async def close(self) -> None:
        """The connections to the endpoint."""
        if self._client is not None:
            await self._client.close()

    async def turn(
        self, database: Database, user_id: UUID, thread_id: UUID, state: Any = None
    ) -> Turn:
        """Take a thread for an answer; `close` the turn in any case. Raises the 404 problem, 409
        when an answer is being made in it, 429 when too many are for this user, and 503 when
        there is no model."""
        if self._model is None:
            raise Problem(503, "There is no model here yet: set OPENAI_API_KEY.")
        asker, thread = Asker(database, user_id, state), _models().thread
        busy = col(thread.busy_until) > func.now()
        until = func.now() + timedelta(seconds=self.settings.agent_seconds) + _SLACK
        take = (
            update(thread)
            .where(thread.id == thread_id)
            .where(or_(col(thread.busy_until).is_(None), not_(busy)))
            .values(busy_until=until)
            .returning(thread)
        )
        async with asker.session() as session:
            await session.get_one(thread, thread_id)
            taken = (await session.exec(take)).first()
        if taken is None:
            raise Conflict("An answer is being made in this thread.")
        turn = Turn(self, self._model, asker, taken[0])
        try:  # counted once it is seen by the others, so that they cannot all see none
            async with asker.session() as session:
                all_ = select(func.count()).select_from(thread).where(busy)
                if (await session.exec(all_)).one() > _MOST_AT_ONCE:
                    detail = "Several answers are being made for you: wait for one of them."
                    raise Problem(429, detail, headers={"Retry-After": "5"})
        except BaseException:
            await turn.close()
            raise
        return turn


def _client(settings: AgentSettings) -> AsyncOpenAI | None:
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return None
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    return AsyncOpenAI(api_key=key, base_url=settings.openai_base_url)


def _model(settings: AgentSettings, client: AsyncOpenAI | None) -> Model | None:
    if client is None:
        return None
    if settings.agent_api == "chat":
        return OpenAIChatCompletionsModel(settings.agent_model, client)
    return OpenAIResponsesModel(settings.agent_model, client)


def install(app: FastAPI, agent: Agent[Asker], model: Model | None = None) -> None:
    """Have an app answer with this agent: `turn: ThreadTurn` in a route."""
    assistant = app.state.assistant = Assistant(agent, AgentSettings(), model)
    served = app.router.lifespan_context

    @asynccontextmanager
    async def served_and_assisted(app: FastAPI) -> AsyncIterator[Any]:
        try:
            async with served(app) as state:
                yield state
        finally:
            await assistant.close()

    app.router.lifespan_context = served_and_assisted


@may_answer(404, 409, 429, 503)
async def _turn(
    request: Request, session: UserSession, database: AppDatabase, thread_id: UUID
) -> AsyncIterator[Turn]:
    # closed here, not where the answer is streamed: there, a client that leaves is not noticed
    state = request.app.state
    assistant: Assistant = state.assistant
    await session.get_one(_models().thread, thread_id)  # 401 when the login has ended
    turn = await assistant.turn(database, session.user_id, thread_id, state)
    try:
        yield turn
    finally:
        await turn.close()


ThreadTurn = Annotated[Turn, Depends(_turn)]
"""The thread of the path's `thread_id`, taken for an answer of this request."""


class Decision(BaseModel):
    """Of the user, on a call that waits."""

    call: str
    approve: bool


async def _decided(turn: ThreadTurn, decision: Decision) -> "RunState[Asker]":
    return await turn.decide(decision.call, decision.approve)


DecidedRun = Annotated[RunState[Asker], Depends(_decided)]
"""The run that goes on after the `Decision` in the body; `turn.answer` takes it."""


async def events_after(session: Session, thread_id: UUID, number: int) -> list[Event]:
    """What was streamed of the thread's last answer after an event, for a client that lost it.
    Raises the 404 problem."""
    models = _models()
    await session.get_one(models.thread, thread_id)
    event = models.event
    after = (
        select(event)
        .where(event.thread_id == thread_id, event.number > number)
        .order_by(event.number)
    )
    rows = (await session.exec(after)).all()
    return [Event(number=row.number, kind=row.kind, data=row.data) for row in rows]
