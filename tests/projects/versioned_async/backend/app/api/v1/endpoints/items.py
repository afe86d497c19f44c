import uuid

from fastapi import APIRouter, HTTPException, status

from app import crud
from app.api.deps import CurrentUser, SessionDep
from app.models import Item
from app.schemas.item import ItemCreate, ItemPublic, ItemsPublic

router = APIRouter()


@router.get("/", response_model=ItemsPublic)
async def list_items(session: SessionDep, user: CurrentUser, skip: int = 0, limit: int = 100):
    items = await crud.item.list(session, skip, limit)
    return {"data": items, "count": len(items)}


@router.post("/", status_code=status.HTTP_201_CREATED)
async def create_item(session: SessionDep, user: CurrentUser, data: ItemCreate) -> ItemPublic:
    return await crud.item.create(session, data, user)


@router.get("/{item_id}", response_model=ItemPublic)
async def get_item(session: SessionDep, user: CurrentUser, item_id: uuid.UUID) -> Item:
    item = await crud.item.get(session, item_id)
    if item is None or item.owner_id != user.id:
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    return item
