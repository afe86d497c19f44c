from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ExpenseCreate(BaseModel):
    what: Annotated[str, Field(min_length=1, max_length=80)]
    amount: Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)]
    spent_on: date | None = None


class ExpenseUpdate(BaseModel):
    what: Annotated[str | None, Field(min_length=1, max_length=80)] = None
    amount: Annotated[Decimal | None, Field(ge=0)] = None
    spent_on: date | None = None


class ExpenseRead(ExpenseCreate):
    model_config = ConfigDict(from_attributes=True)

    expense_id: int


class ExpenseFilter(BaseModel):
    what: str | None = None
    least: Decimal | None = None
