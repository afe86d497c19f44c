from sqlalchemy.orm import Session

from shop.models import Parcel, ParcelState


class ParcelRepository:
    def __init__(self, db: Session) -> None:
        self.db = db

    def all_of(
        self, user_id: int, state: ParcelState | None, skip: int, limit: int
    ) -> list[Parcel]:
        query = self.db.query(Parcel).filter(Parcel.user_id == user_id)
        if state is not None:
            query = query.filter(Parcel.state == state)
        return query.order_by(Parcel.id).offset(skip).limit(limit).all()

    def get(self, parcel_id: int, user_id: int) -> Parcel | None:
        return (
            self.db.query(Parcel)
            .filter(Parcel.id == parcel_id, Parcel.user_id == user_id)
            .first()
        )

    def get_by_number(self, number: str, user_id: int) -> Parcel | None:
        return (
            self.db.query(Parcel)
            .filter(Parcel.number == number, Parcel.user_id == user_id)
            .first()
        )

    def save(self, parcel: Parcel) -> Parcel:
        self.db.add(parcel)
        self.db.commit()
        self.db.refresh(parcel)
        return parcel

    def remove(self, parcel: Parcel) -> None:
        self.db.delete(parcel)
        self.db.commit()
