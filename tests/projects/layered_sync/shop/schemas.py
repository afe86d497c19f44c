from datetime import datetime
from decimal import Decimal
from typing import Annotated, List, Literal, Optional

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

LARGEST_ID = 2**31 - 1


def without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("NUL bytes are not text")
    return text


def fits_bcrypt(text: str) -> str:
    if len(text.encode()) > 72:
        raise ValueError("at most 72 bytes")
    return text


Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(without_nul)]
Name = Annotated[Line, StringConstraints(min_length=1, strip_whitespace=True)]
Note = Annotated[str, StringConstraints(max_length=500), AfterValidator(without_nul)]
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9-]{1,40}$")]
Email = Annotated[EmailStr, StringConstraints(max_length=254), AfterValidator(without_nul)]
Password = Annotated[
    str,
    StringConstraints(min_length=10),
    AfterValidator(without_nul),
    AfterValidator(fits_bcrypt),
]
Price = Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=2, allow_inf_nan=False)]
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
BodyId = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class UserCreate(BaseModel):
    email: Email
    password: Password
    full_name: Annotated[Line, StringConstraints(max_length=100)] = ""


class UserUpdate(BaseModel):
    email: Email = None
    full_name: Annotated[Line, StringConstraints(max_length=100)] = None


class RoleUpdate(BaseModel):
    role: Literal["customer", "admin"]


class PasswordChange(BaseModel):
    old_password: Line
    new_password: Password


class UserOut(Out):
    id: int
    email: str
    full_name: str
    role: str
    created_at: datetime


class Tokens(BaseModel):
    access_token: str
    refresh_token: str
    token_type: str = "bearer"


class RefreshRequest(BaseModel):
    refresh_token: str


class ProductCreate(BaseModel):
    sku: Sku
    name: Name
    price: Price


class ProductUpdate(BaseModel):
    name: Name = None
    price: Price = None


class ProductOut(Out):
    id: int
    sku: str
    name: str
    price: Decimal


class Stock(BaseModel):
    sku: str
    available: bool


class OrderCreate(BaseModel):
    note: Optional[Note] = None


class OrderUpdate(BaseModel):
    note: Optional[Note] = None
    status: Literal["open", "paid", "cancelled"] = "open"


class OrderOut(Out):
    id: int
    note: Optional[str]
    status: str
    created_at: datetime


class ItemCreate(BaseModel):
    product_id: BodyId
    quantity: Annotated[int, Field(ge=1, le=1000)] = 1


class ItemOut(Out):
    id: int
    order_id: int
    product_id: int
    quantity: int


class BulkDelete(BaseModel):
    ids: Annotated[List[BodyId], Field(max_length=100)]


class Deleted(BaseModel):
    deleted: int


class DocumentOut(Out):
    id: int
    title: str


class Stats(BaseModel):
    users: int
    orders: int


class Health(BaseModel):
    status: str
