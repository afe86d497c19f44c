from sqlalchemy.orm import Session

from shop.errors import ParcelNotFound, ParcelNumberTaken
from shop.models import Parcel, ParcelState
from shop.repositories.parcel_repository import ParcelRepository
from shop.schemas import ParcelCreate, ParcelUpdate


class ParcelService:
    def __init__(self, db: Session) -> None:
        self.parcels = ParcelRepository(db)

    def list(
        self, user_id: int, state: ParcelState | None = None, skip: int = 0, limit: int = 20
    ) -> list[Parcel]:
        return self.parcels.all_of(user_id, state, skip, limit)

    def get(self, parcel_id: int, user_id: int) -> Parcel:
        parcel = self.parcels.get(parcel_id, user_id)
        if parcel is None:
            raise ParcelNotFound()
        return parcel

    def create(self, data: ParcelCreate, user_id: int) -> Parcel:
        if self.parcels.get_by_number(data.number, user_id):
            raise ParcelNumberTaken()
        parcel = Parcel(number=data.number, weight=data.weight, user_id=user_id)
        return self.parcels.save(parcel)

    def update(self, parcel_id: int, data: ParcelUpdate, user_id: int) -> Parcel:
        parcel = self.get(parcel_id, user_id)
        for name, value in data.model_dump(exclude_unset=True).items():
            setattr(parcel, name, value)
        return self.parcels.save(parcel)

    def delete(self, parcel_id: int, user_id: int) -> None:
        self.parcels.remove(self.get(parcel_id, user_id))

    def send(self, parcel_id: int, user_id: int) -> Parcel:
        parcel = self.get(parcel_id, user_id)
        parcel.state = ParcelState.SENT
        return self.parcels.save(parcel)
