from typing import List

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse

from shop.dependencies import Paging, get_current_user
from shop.models import Order
from shop.schemas import (
    BulkDelete,
    Deleted,
    Id,
    ItemCreate,
    ItemOut,
    Line,
    OrderCreate,
    OrderOut,
    OrderUpdate,
)
from shop.services.orders import OrderService, get_order_service

router = APIRouter(prefix="/orders", tags=["orders"], dependencies=[Depends(get_current_user)])


def own_order(order_id: Id, service: OrderService = Depends(get_order_service)) -> Order:
    return service.get(order_id)


@router.get("", response_model=List[OrderOut])
def list_orders(paging: Paging = Depends(), service: OrderService = Depends(get_order_service)):
    return service.page(paging.skip, paging.limit)


@router.post("", response_model=OrderOut, status_code=201)
def create_order(data: OrderCreate, service: OrderService = Depends(get_order_service)):
    return service.create(data)


@router.get("/search", response_model=List[OrderOut])
def search_orders(
    q: Line, paging: Paging = Depends(), service: OrderService = Depends(get_order_service)
):
    return service.search(q, paging.limit)


@router.post("/bulk-delete", response_model=Deleted)
def delete_orders(data: BulkDelete, service: OrderService = Depends(get_order_service)):
    return Deleted(deleted=service.delete_many(data.ids))


@router.get("/{order_id}", response_model=OrderOut)
def get_order(order: Order = Depends(own_order)):
    return order


@router.patch("/{order_id}", response_model=OrderOut)
def update_order(
    order_id: Id, data: OrderUpdate, service: OrderService = Depends(get_order_service)
):
    return service.update(order_id, data)


@router.delete("/{order_id}", status_code=204)
def delete_order(order_id: Id, service: OrderService = Depends(get_order_service)):
    service.delete(order_id)


@router.get("/{order_id}/items", response_model=List[ItemOut])
def list_items(
    order: Order = Depends(own_order),
    paging: Paging = Depends(),
    service: OrderService = Depends(get_order_service),
):
    return service.items.of_order(order.id, paging.limit)


@router.post("/{order_id}/items", response_model=ItemOut, status_code=201)
def add_item(
    data: ItemCreate,
    order: Order = Depends(own_order),
    service: OrderService = Depends(get_order_service),
):
    return service.add_item(order, data)


@router.delete("/{order_id}/items/{item_id}", status_code=204)
def remove_item(
    item_id: Id,
    order: Order = Depends(own_order),
    service: OrderService = Depends(get_order_service),
):
    service.remove_item(order, item_id)


@router.get(
    "/{order_id}/packing-slip", response_class=PlainTextResponse, include_in_schema=False
)
def packing_slip(order_id: Id, service: OrderService = Depends(get_order_service)):
    return service.packing_slip(order_id)
