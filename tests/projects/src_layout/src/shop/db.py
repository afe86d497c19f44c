from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends
from sqlmodel import Session, create_engine

from shop.config import get_config

engine = create_engine(get_config().database_url)


def session() -> Iterator[Session]:
    with Session(engine) as opened, opened.begin():
        yield opened


DbSession = Annotated[Session, Depends(session)]
