from fastapi import APIRouter, Depends, status
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.models import ParcelState, User
from shop.schemas import Envelope, ParcelCreate, ParcelOut, ParcelUpdate
from shop.security import get_current_user
from shop.services.parcel_service import ParcelService

router = APIRouter(prefix="/parcels", tags=["parcels"])


def get_parcel_service(db: Session = Depends(get_db)) -> ParcelService:
    return ParcelService(db)


@router.get("", response_model=Envelope[list[ParcelOut]])
def list_parcels(
    state: ParcelState | None = None,
    skip: int = 0,
    limit: int = 20,
    user: User = Depends(get_current_user),
    service: ParcelService = Depends(get_parcel_service),
):
    parcels = service.list(user.id, state, skip, limit)
    return {"message": "Your parcels", "data": parcels}


@router.post("", response_model=Envelope[ParcelOut], status_code=status.HTTP_201_CREATED)
def create_parcel(
    data: ParcelCreate,
    user: User = Depends(get_current_user),
    service: ParcelService = Depends(get_parcel_service),
):
    return {"message": "Parcel created", "data": service.create(data, user.id)}


@router.get("/{parcel_id}", response_model=Envelope[ParcelOut])
def get_parcel(
    parcel_id: int,
    user: User = Depends(get_current_user),
    service: ParcelService = Depends(get_parcel_service),
):
    return {"message": "Your parcel", "data": service.get(parcel_id, user.id)}


@router.patch("/{parcel_id}", response_model=Envelope[ParcelOut])
def update_parcel(
    parcel_id: int,
    data: ParcelUpdate,
    user: User = Depends(get_current_user),
    service: ParcelService = Depends(get_parcel_service),
):
    return {"message": "Parcel updated", "data": service.update(parcel_id, data, user.id)}


@router.post("/{parcel_id}/send", response_model=Envelope[ParcelOut])
def send_parcel(
    parcel_id: int,
    user: User = Depends(get_current_user),
    service: ParcelService = Depends(get_parcel_service),
):
    return {"message": "Parcel sent", "data": service.send(parcel_id, user.id)}


@router.delete("/{parcel_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_parcel(
    parcel_id: int,
    user: User = Depends(get_current_user),
    service: ParcelService = Depends(get_parcel_service),
):
    service.delete(parcel_id, user.id)
