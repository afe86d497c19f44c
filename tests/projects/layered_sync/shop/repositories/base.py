from typing import Generic, Optional, Type, TypeVar

from sqlalchemy.orm import Session

from shop.database import Base

Model = TypeVar("Model", bound=Base)


class Repository(Generic[Model]):
    model: Type[Model]

    def __init__(self, db: Session):
        self.db = db

    def get(self, id: int) -> Optional[Model]:
        return self.db.get(self.model, id)

    def add(self, row: Model) -> Model:
        self.db.add(row)
        self.db.commit()
        self.db.refresh(row)
        return row

    def update(self, row: Model, values: dict) -> Model:
        for name, value in values.items():
            setattr(row, name, value)
        self.db.commit()
        self.db.refresh(row)
        return row

    def delete(self, row: Model) -> None:
        self.db.delete(row)
        self.db.commit()
