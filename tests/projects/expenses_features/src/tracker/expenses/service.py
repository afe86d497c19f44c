from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from tracker.expenses.models import Expense
from tracker.expenses.schemas import ExpenseCreate, ExpenseFilter, ExpenseUpdate


async def list_all(session: AsyncSession, author_id: int, wanted: ExpenseFilter) -> list[Expense]:
    query = select(Expense).where(Expense.author_id == author_id)
    if wanted.what:
        query = query.where(func.lower(Expense.what).contains(wanted.what.lower()))
    if wanted.least is not None:
        query = query.where(Expense.amount >= wanted.least)
    return list(await session.scalars(query.order_by(Expense.spent_on, Expense.expense_id)))


async def get_one(session: AsyncSession, expense_id: int, author_id: int) -> Expense | None:
    return await session.scalar(
        select(Expense).where(Expense.expense_id == expense_id, Expense.author_id == author_id)
    )


async def create(session: AsyncSession, data: ExpenseCreate, author_id: int) -> Expense:
    expense = Expense(
        author_id=author_id, what=data.what, amount=data.amount, spent_on=data.spent_on
    )
    session.add(expense)
    await session.commit()
    return expense


async def update(session: AsyncSession, expense: Expense, data: ExpenseUpdate) -> Expense:
    if data.what is not None:
        expense.what = data.what
    if data.amount is not None:
        expense.amount = data.amount
    if data.spent_on is not None:
        expense.spent_on = data.spent_on
    await session.commit()
    return expense


async def delete(session: AsyncSession, expense: Expense) -> None:
    await session.delete(expense)
    await session.commit()
