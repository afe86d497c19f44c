import logging

from fastapi import HTTPException
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.models import User
from shop.repositories.users import UserRepository
from shop.schemas import PasswordChange, Tokens, UserCreate, UserUpdate
from shop.security import TokenService, password_hasher
from shop.services.errors import conflict, not_found

logger = logging.getLogger("shop.auth")


class AuthService:
    def __init__(self, db: Session):
        self.db = db
        self.users = UserRepository(db)
        self.tokens = TokenService()

    def register(self, data: UserCreate) -> User:
        user = User(
            email=data.email.lower(),
            full_name=data.full_name,
            hashed_password=password_hasher.hash(data.password),
        )
        try:
            user = self.users.add(user)
        except IntegrityError:
            self.db.rollback()
            raise conflict("this email is taken")
        logger.info("user %s registered", user.id)
        return user

    def login(self, email: str, password: str) -> Tokens:
        user = self.users.by_email(email.lower())
        right = password_hasher.verify(password, user.hashed_password if user else None)
        if not right or not user.is_active:
            logger.warning("a login failed")
            raise HTTPException(status_code=401, detail="wrong email or password")
        return self.issue(user.id)

    def refresh(self, refresh_token: str) -> Tokens:
        user_id = self.tokens.read(refresh_token, "refresh")
        user = self.users.get(user_id) if user_id is not None else None
        if user is None or not user.is_active:
            raise HTTPException(status_code=401, detail="not a valid refresh token")
        return self.issue(user.id)

    def issue(self, user_id: int) -> Tokens:
        return Tokens(
            access_token=self.tokens.access(user_id), refresh_token=self.tokens.refresh(user_id)
        )

    def update(self, user: User, data: UserUpdate) -> User:
        values = data.model_dump(exclude_unset=True)
        if "email" in values:
            values["email"] = values["email"].lower()
        try:
            return self.users.update(user, values)
        except IntegrityError:
            self.db.rollback()
            raise conflict("this email is taken")

    def change_password(self, user: User, data: PasswordChange) -> None:
        if not password_hasher.verify(data.old_password, user.hashed_password):
            raise HTTPException(status_code=403, detail="wrong password")
        self.users.update(user, {"hashed_password": password_hasher.hash(data.new_password)})

    def set_role(self, user_id: int, role: str) -> User:
        user = self.users.get(user_id)
        if user is None:
            raise not_found("user")
        return self.users.update(user, {"role": role})
