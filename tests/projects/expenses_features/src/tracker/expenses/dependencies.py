from typing import Annotated

from fastapi import Depends, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession

from tracker.db import get_session
from tracker.expenses import service
from tracker.expenses.models import Expense
from tracker.users.dependencies import get_current_user
from tracker.users.models import User


async def get_expense_or_404(
    expense_id: int,
    session: Annotated[AsyncSession, Depends(get_session)],
    user: Annotated[User, Depends(get_current_user)],
) -> Expense:
    expense = await service.get_one(session, expense_id, user.id)
    if expense is None:
        raise HTTPException(status_code=404, detail="Expense not found")
    return expense
