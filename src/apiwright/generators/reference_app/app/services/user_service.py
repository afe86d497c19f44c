from apiwright.kit.passwords import hash_password, verify_password
from apiwright.kit.problems import Unauthorized
from apiwright.kit.session import Session
from sqlmodel import select

from app.models import User
from app.schemas.user import UserCreate


async def register(session: Session, data: UserCreate) -> User:
    password_hash = await hash_password(data.password)
    everyone = session.unscoped(reason="sign-up: nobody is signed in yet")
    return await everyone.add(User(email=data.email.lower(), password_hash=password_hash))


async def authenticate(session: Session, email: str, password: str) -> User:
    everyone = session.unscoped(reason="login: nobody is signed in yet")
    user = (await everyone.exec(select(User).where(User.email == email.lower()))).first()
    right = await verify_password(password, user.password_hash if user else None)
    if user is None or not right or not user.is_active:
        raise Unauthorized("The e-mail address or the password is wrong.")
    return user
