from datetime import datetime

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, String, Table, UniqueConstraint
from sqlalchemy.orm import relationship

from .database import Base

post_tags = Table(
    'post_tags',
    Base.metadata,
    Column('post_id', ForeignKey('posts.id'), primary_key=True),
    Column('tag_id', ForeignKey('tags.id'), primary_key=True),
)


class TimestampMixin:
    created_at = Column(DateTime, default=datetime.now, nullable=False)


class User(TimestampMixin, Base):
    __tablename__ = 'users'

    id = Column(Integer, primary_key=True, index=True)
    email = Column(String, unique=True, index=True, nullable=False)
    hashed_password = Column(String, nullable=False)
    is_admin = Column(Boolean, default=False)

    posts = relationship('Post', back_populates='author')


class Post(TimestampMixin, Base):
    __tablename__ = 'posts'
    __table_args__ = (UniqueConstraint('author_id', 'title'),)

    id = Column(Integer, primary_key=True)
    title = Column(String(200), nullable=False)
    body = Column('content', String)
    author_id = Column(Integer, ForeignKey(User.id), nullable=False)

    author = relationship('User', back_populates='posts')
    tags = relationship('Tag', secondary=post_tags)


class Tag(Base):
    __tablename__ = 'tags'

    id = Column(Integer, primary_key=True)
    name = Column(String, unique=True)
