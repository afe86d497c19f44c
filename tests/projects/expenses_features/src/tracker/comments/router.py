"""Nested, and so nothing to write another resource after."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from tracker.comments.models import Comment
from tracker.db import get_session
from tracker.users.dependencies import get_current_user
from tracker.users.models import User

router = APIRouter(prefix="/expenses/{expense_id}/comments")
Session = Annotated[AsyncSession, Depends(get_session)]
CurrentUser = Annotated[User, Depends(get_current_user)]


class CommentIn(BaseModel):
    text: str


@router.get("")
async def list_comments(expense_id: int, user: CurrentUser) -> list[str]:
    return []


@router.post("")
async def create_comment(
    expense_id: int, data: CommentIn, session: Session, user: CurrentUser
) -> str:
    session.add(Comment(text=data.text, author_id=user.id))
    await session.commit()
    return data.text


@router.get("/{comment_id}")
async def get_comment(expense_id: int, comment_id: int, user: CurrentUser) -> str:
    raise HTTPException(status_code=404)


@router.put("/{comment_id}")
async def update_comment(expense_id: int, comment_id: int, user: CurrentUser) -> str:
    raise HTTPException(status_code=404)


@router.delete("/{comment_id}")
async def delete_comment(expense_id: int, comment_id: int, user: CurrentUser) -> str:
    raise HTTPException(status_code=404)
