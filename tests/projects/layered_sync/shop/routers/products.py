from typing import Annotated, List, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.dependencies import Paging, require_admin
from shop.schemas import Id, Line, ProductCreate, ProductOut, ProductUpdate, Stock
from shop.services.products import ProductService

router = APIRouter(prefix="/products", tags=["products"])


def get_product_service(db: Session = Depends(get_db)) -> ProductService:
    return ProductService(db)


@router.get("", response_model=List[ProductOut])
def list_products(
    paging: Paging = Depends(),
    sort: Literal["id", "name", "price"] = "id",
    service: ProductService = Depends(get_product_service),
):
    return service.page(paging.skip, paging.limit, sort)


@router.get("/search", response_model=List[ProductOut])
def search_products(
    q: Line,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
    service: ProductService = Depends(get_product_service),
):
    return service.search(q, limit)


@router.get("/{product_id}", response_model=ProductOut)
def get_product(product_id: Id, service: ProductService = Depends(get_product_service)):
    return service.get(product_id)


@router.get("/{product_id}/stock", response_model=Stock)
def get_stock(product_id: Id, service: ProductService = Depends(get_product_service)):
    return service.stock(product_id)


@router.post(
    "", response_model=ProductOut, status_code=201, dependencies=[Depends(require_admin)]
)
def create_product(data: ProductCreate, service: ProductService = Depends(get_product_service)):
    return service.create(data)


@router.patch(
    "/{product_id}", response_model=ProductOut, dependencies=[Depends(require_admin)]
)
def update_product(
    product_id: Id, data: ProductUpdate, service: ProductService = Depends(get_product_service)
):
    return service.update(product_id, data)


@router.delete("/{product_id}", status_code=204, dependencies=[Depends(require_admin)])
def delete_product(product_id: Id, service: ProductService = Depends(get_product_service)):
    service.delete(product_id)
