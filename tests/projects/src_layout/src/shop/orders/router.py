from fastapi import APIRouter, Depends

from shop.db import DbSession
from shop.orders.models import OrderLine
from shop.security import verify

router = APIRouter(dependencies=[Depends(verify)])


class Orders:
    def __init__(self) -> None:
        self.router = APIRouter(prefix="/orders")
        self.router.add_api_route("/{order_id}/lines", self.add, methods=["POST"], status_code=201)

    def add(self, order_id: int, line: OrderLine, session: DbSession) -> OrderLine:
        session.add(line)
        return line


router.include_router(Orders().router)
