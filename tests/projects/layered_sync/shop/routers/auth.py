from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy.orm import Session

from shop.database import get_db
from shop.dependencies import get_current_user
from shop.schemas import RefreshRequest, Tokens, UserCreate, UserOut
from shop.services.auth import AuthService

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/register", response_model=UserOut, status_code=201)
def register(data: UserCreate, db: Session = Depends(get_db)):
    return AuthService(db).register(data)


@router.post("/login", response_model=Tokens)
def login(form: OAuth2PasswordRequestForm = Depends(), db: Session = Depends(get_db)):
    return AuthService(db).login(form.username, form.password)


@router.post("/refresh", response_model=Tokens)
def refresh(data: RefreshRequest, db: Session = Depends(get_db)):
    return AuthService(db).refresh(data.refresh_token)


@router.get(
    "/after-login", response_class=RedirectResponse, dependencies=[Depends(get_current_user)]
)
def after_login(next: str = "/"):
    """To a page of this site, whatever `next` says."""
    parts = urlsplit(next.replace("\\", "/"))
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith("//"):
        return RedirectResponse("/", status_code=303)
    return RedirectResponse(parts.path, status_code=303)
