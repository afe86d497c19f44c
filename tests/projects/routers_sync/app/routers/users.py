from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from app import models, schemas
from app.auth import get_current_user, require_admin
from app.database import get_db

users_router = APIRouter()


@users_router.get('/me', response_model=schemas.UserOut)
def me(user: models.User = Depends(get_current_user)):
    return user


@users_router.delete('/{user_id}', status_code=204, dependencies=[Depends(require_admin)])
def delete_user(user_id: int, db: Session = Depends(get_db)):
    db.query(models.User).filter(models.User.id == user_id).delete()
    db.commit()
