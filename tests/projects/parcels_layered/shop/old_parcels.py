"""Nobody includes this any more."""

from fastapi import APIRouter

router = APIRouter(prefix="/parcels", tags=["parcels"])


@router.get("")
def list_parcels():
    return []


@router.post("")
def create_parcel():
    return {}


@router.get("/{parcel_id}")
def get_parcel(parcel_id: int):
    return {}
