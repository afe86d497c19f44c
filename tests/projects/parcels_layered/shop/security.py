from fastapi import Depends, Header, HTTPException
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.models import User


def get_current_user(
    authorization: str = Header(default=""), db: Session = Depends(get_db)
) -> User:
    user = db.query(User).filter(User.name == authorization.removeprefix("Bearer ")).first()
    if user is None:
        raise HTTPException(status_code=401, detail="Sign in first")
    return user
