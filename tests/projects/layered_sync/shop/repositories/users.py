from typing import List, Optional

from sqlalchemy import func, select

from shop.models import User
from shop.repositories.base import Repository


class UserRepository(Repository[User]):
    model = User

    def by_email(self, email: str) -> Optional[User]:
        return self.db.scalars(select(User).where(User.email == email)).first()

    def page(self, skip: int, limit: int) -> List[User]:
        return self.db.scalars(select(User).order_by(User.id).offset(skip).limit(limit)).all()

    def count(self) -> int:
        return self.db.scalar(select(func.count()).select_from(User))
