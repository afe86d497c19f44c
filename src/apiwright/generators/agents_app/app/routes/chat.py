from collections.abc import AsyncIterable
from typing import Annotated
from uuid import UUID

from apiwright.kit import agents
from apiwright.kit.agents import DecidedRun, Event, ThreadTurn
from apiwright.kit.logins import UserSession
from apiwright.kit.pagination import Page, PageParams
from fastapi import APIRouter, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.models import Thread, ThreadItem
from app.schemas.chat import ItemPublic, MessageCreate, ThreadCreate, ThreadPublic
from app.services import chat_service

router = APIRouter(prefix="/threads", tags=["chat"])


@router.get("", response_model=Page[ThreadPublic])
async def list_threads(session: UserSession, page: PageParams) -> Page[Thread]:
    return await chat_service.list_threads(session, page)


@router.post("", response_model=ThreadPublic, status_code=201)
async def create_thread(session: UserSession, data: ThreadCreate) -> Thread:
    return await chat_service.create_thread(session, data)


@router.get("/{thread_id}", response_model=ThreadPublic)
async def get_thread(session: UserSession, thread_id: UUID) -> Thread:
    return await chat_service.get_thread(session, thread_id)


@router.delete("/{thread_id}", status_code=204)
async def delete_thread(session: UserSession, thread_id: UUID) -> None:
    await chat_service.delete_thread(session, thread_id)


@router.get("/{thread_id}/items", response_model=Page[ItemPublic])
async def list_items(session: UserSession, thread_id: UUID, page: PageParams) -> Page[ThreadItem]:
    return await chat_service.list_items(session, thread_id, page)


@router.post("/{thread_id}/messages", response_class=EventSourceResponse)
async def say(turn: ThreadTurn, message: MessageCreate) -> AsyncIterable[ServerSentEvent]:
    """The answer, part by part: `token`, `tool`, `citation`, and last `done`, `approval` or
    `error`. Who leaves ends it."""
    async for event in turn.answer(message.text):
        yield event.sent()


@router.post("/{thread_id}/decisions", response_class=EventSourceResponse)
async def decide(turn: ThreadTurn, run: DecidedRun) -> AsyncIterable[ServerSentEvent]:
    """The answer, once the user has agreed to a call of `approval`, or not."""
    async for event in turn.answer(run):
        yield event.sent()


@router.get("/{thread_id}/events")
async def list_events(
    session: UserSession, thread_id: UUID, last_event_id: Annotated[int, Header(ge=0)] = 0
) -> list[Event]:
    """What was streamed of the last answer after the event `Last-Event-ID`, for who has lost it."""
    return await agents.events_after(session, thread_id, last_event_id)
