from typing import List, Optional

from sqlalchemy import delete, func, select

from shop.models import Order, OrderItem
from shop.repositories.base import Repository


class OrderRepository(Repository[Order]):
    model = Order

    def of_customer(self, order_id: int, customer_id: int) -> Optional[Order]:
        query = select(Order).where(Order.id == order_id, Order.customer_id == customer_id)
        return self.db.scalars(query).first()

    def page(self, customer_id: int, skip: int, limit: int) -> List[Order]:
        query = select(Order).where(Order.customer_id == customer_id)
        return self.db.scalars(query.order_by(Order.id).offset(skip).limit(limit)).all()

    def search(self, customer_id: int, words: str, limit: int) -> List[Order]:
        query = self.db.query(Order).filter(Order.customer_id == customer_id)
        query = query.filter(Order.note.contains(words, autoescape=True))
        return query.order_by(Order.id).limit(limit).all()

    def delete_many(self, customer_id: int, ids: List[int]) -> int:
        mine = select(Order.id).where(Order.id.in_(ids), Order.customer_id == customer_id)
        found = self.db.scalars(mine).all()
        self.db.execute(delete(OrderItem).where(OrderItem.order_id.in_(found)))
        self.db.execute(delete(Order).where(Order.id.in_(found)))
        self.db.commit()
        return len(found)

    def count(self) -> int:
        return self.db.scalar(select(func.count()).select_from(Order))


class ItemRepository(Repository[OrderItem]):
    model = OrderItem

    def of_order(self, order_id: int, limit: int) -> List[OrderItem]:
        query = select(OrderItem).where(OrderItem.order_id == order_id)
        return self.db.scalars(query.order_by(OrderItem.id).limit(limit)).all()

    def in_order(self, item_id: int, order_id: int) -> Optional[OrderItem]:
        query = select(OrderItem).where(OrderItem.id == item_id, OrderItem.order_id == order_id)
        return self.db.scalars(query).first()
