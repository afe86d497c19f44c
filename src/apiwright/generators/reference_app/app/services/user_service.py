from apiwright.kit.passwords import hash_password, verify_and_upgrade, verify_password
from apiwright.kit.problems import Forbidden, Unauthorized
from apiwright.kit.session import Session
from sqlmodel import col, delete, select

from app.models import Login, User
from app.schemas.user import PasswordChange, UserCreate


async def register(session: Session, data: UserCreate) -> User:
    password_hash = await hash_password(data.password)
    everyone = session.unscoped(reason="sign-up: nobody is signed in yet")
    return await everyone.add(User(email=data.email.lower(), password_hash=password_hash))


async def authenticate(session: Session, email: str, password: str) -> User:
    everyone = session.unscoped(reason="login: nobody is signed in yet")
    user = (await everyone.exec(select(User).where(User.email == email.lower()))).first()
    right, upgraded = await verify_and_upgrade(password, user.password_hash if user else None)
    if user is None or not right or not user.is_active:
        raise Unauthorized("The e-mail address or the password is wrong.")
    if upgraded:
        user.password_hash = upgraded
        await everyone.add(user)
    return user


async def change_password(session: Session, data: PasswordChange) -> None:
    """Ends the user's other logins."""
    user = await session.get_one(User, session.user_id)
    if not await verify_password(data.password, user.password_hash):
        raise Forbidden("The password is wrong.")
    user.password_hash = await hash_password(data.new_password)
    await session.unscoped(reason="password: users do not write their accounts").add(user)
    await session.exec(delete(Login).where(col(Login.id) != session.login_id))


async def deactivate(session: Session) -> None:
    """Ends all of the user's logins."""
    await session.exec(delete(Login))
    user = await session.get_one(User, session.user_id)
    user.is_active = False
    await session.unscoped(reason="deactivation: users do not write their accounts").add(user)
