"""Tags of users, in one file."""

from datetime import datetime
from typing import Optional

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Integer, String, create_engine
from sqlalchemy.orm import Session, declarative_base, sessionmaker

engine = create_engine("sqlite:///tags.db", connect_args={"check_same_thread": False})
SessionLocal = sessionmaker(bind=engine)
Base = declarative_base()
MAX_STAGES = 3


class User(Base):
    __tablename__ = "users"

    id = Column(Integer, primary_key=True)
    name = Column(String(50), unique=True, nullable=False)


class Tag(Base):
    __tablename__ = "tags"

    id = Column(Integer, primary_key=True)
    label = Column(String(50), nullable=False)
    tagline = Column(String(200))
    pinned = Column(Boolean, default=False)
    owner_id = Column(Integer, ForeignKey("users.id"), nullable=False)
    created_at = Column(DateTime, default=datetime.utcnow)


class UserIn(BaseModel):
    name: str


class TagIn(BaseModel):
    label: str
    tagline: Optional[str] = None


class TagOut(TagIn):
    id: int
    pinned: bool
    created_at: datetime

    model_config = {"from_attributes": True, "json_schema_extra": {"example": {"label": "red"}}}


Base.metadata.create_all(engine)
app = FastAPI()


def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()


def get_current_user(authorization: str = Header(default=""), db: Session = Depends(get_db)):
    user = db.query(User).filter(User.name == authorization.removeprefix("Bearer ")).first()
    if user is None:
        raise HTTPException(status_code=401, detail="Sign in first")
    return user


@app.post("/users", status_code=201)
def sign_up(user: UserIn, db: Session = Depends(get_db)):
    db.add(User(name=user.name))
    db.commit()
    return {"token": user.name}


@app.get("/stages")
def list_stages():
    return {"stages": list(range(MAX_STAGES)), "tags": "none"}


@app.get("/tags", response_model=list[TagOut])
def list_tags(
    pinned: Optional[bool] = None,
    skip: int = 0,
    limit: int = 100,
    db: Session = Depends(get_db),
    current_user: User = Depends(get_current_user),
):
    """All tags of the user."""
    tags = db.query(Tag).filter(Tag.owner_id == current_user.id)
    if pinned is not None:
        tags = tags.filter(Tag.pinned == pinned)
    return tags.order_by(Tag.label).offset(skip).limit(limit).all()


@app.post("/tags", response_model=TagOut, status_code=201)
def create_tag(
    tag: TagIn, db: Session = Depends(get_db), current_user: User = Depends(get_current_user)
):
    """Create a tag."""
    if db.query(Tag).filter(Tag.label == tag.label, Tag.owner_id == current_user.id).first():
        raise HTTPException(status_code=409, detail="There is a tag of that label already")
    db_tag = Tag(**tag.dict(), owner_id=current_user.id)
    db.add(db_tag)
    db.commit()
    db.refresh(db_tag)
    return db_tag


@app.get("/tags/{tag_id}", response_model=TagOut)
def get_tag(
    tag_id: int, db: Session = Depends(get_db), current_user: User = Depends(get_current_user)
):
    """Get a tag."""
    tag = db.query(Tag).filter(Tag.id == tag_id, Tag.owner_id == current_user.id).first()
    if not tag:
        raise HTTPException(status_code=404, detail="Tag not found")
    return tag


@app.put("/tags/{tag_id}", response_model=TagOut)
def update_tag(
    tag_id: int,
    data: TagIn,
    db: Session = Depends(get_db),
    current_user: User = Depends(get_current_user),
):
    """Update a tag."""
    tag = db.query(Tag).filter(Tag.id == tag_id).first()
    tag.label = data.label
    tag.tagline = data.tagline
    db.commit()
    db.refresh(tag)
    return tag


@app.post("/tags/{tag_id}/pin", response_model=TagOut)
def pin_tag(
    tag_id: int, db: Session = Depends(get_db), current_user: User = Depends(get_current_user)
):
    tag = get_tag(tag_id, db, current_user)
    tag.pinned = True
    db.commit()
    return tag


@app.delete("/tags/{tag_id}", status_code=204)
def delete_tag(
    tag_id: int, db: Session = Depends(get_db), current_user: User = Depends(get_current_user)
):
    """Delete a tag."""
    tag = get_tag(tag_id, db, current_user)
    db.delete(tag)
    db.commit()
