from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from tracker.db import get_session
from tracker.expenses import service
from tracker.expenses.dependencies import get_expense_or_404
from tracker.expenses.models import Expense
from tracker.expenses.schemas import ExpenseCreate, ExpenseFilter, ExpenseRead, ExpenseUpdate
from tracker.users.dependencies import get_current_user
from tracker.users.models import User

router = APIRouter(prefix="/expenses", tags=["expenses"])
Session = Annotated[AsyncSession, Depends(get_session)]


@router.get("", response_model=list[ExpenseRead])
async def list_expenses(
    session: Session,
    user: Annotated[User, Depends(get_current_user)],
    wanted: Annotated[ExpenseFilter, Depends()],
) -> list[Expense]:
    return await service.list_all(session, user.id, wanted)


@router.post("", response_model=ExpenseRead, status_code=201)
async def create_expense(
    session: Session, user: Annotated[User, Depends(get_current_user)], data: ExpenseCreate
) -> Expense:
    return await service.create(session, data, user.id)


@router.get("/{expense_id}", response_model=ExpenseRead)
async def get_expense(expense: Annotated[Expense, Depends(get_expense_or_404)]) -> Expense:
    return expense


@router.patch("/{expense_id}", response_model=ExpenseRead)
async def update_expense(
    session: Session,
    expense: Annotated[Expense, Depends(get_expense_or_404)],
    data: ExpenseUpdate,
) -> Expense:
    return await service.update(session, expense, data)


@router.delete("/{expense_id}", status_code=204)
async def delete_expense(
    session: Session, expense: Annotated[Expense, Depends(get_expense_or_404)]
) -> None:
    await service.delete(session, expense)
