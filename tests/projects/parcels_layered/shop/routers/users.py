from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.models import User
from shop.schemas import Envelope, UserIn

router = APIRouter(prefix="/users", tags=["users"])


@router.post("", response_model=Envelope[str], status_code=201)
def sign_up(user: UserIn, db: Session = Depends(get_db)):
    db.add(User(name=user.name))
    db.commit()
    return {"message": "Welcome", "data": user.name}
