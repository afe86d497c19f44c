"""What the examples of probes begin with: an app with users, as short as it can be."""

ACCOUNTS = """
import secrets
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

app = FastAPI()
bearer = OAuth2PasswordBearer("login")
passwords, tokens = {}, {}

@app.post("/register", status_code=201)
def register(email: str = Form(), password: str = Form()):
    passwords[email] = password
    return {"email": email}

@app.post("/login")
def login(username: str = Form(), password: str = Form()):
    if passwords.get(username) != password:
        raise HTTPException(401)
    token = secrets.token_hex()
    tokens[token] = username
    return {"access_token": token}

def current_user(token: str = Depends(bearer)):
    if token not in tokens:
        raise HTTPException(401)
    return tokens[token]

@app.get("/me")
def me(user: str = Depends(current_user)):
    return {"email": user}
"""

NOTES = (
    ACCOUNTS
    + """
class NoteIn(BaseModel):
    text: str

notes = {}

def the_note(note_id: int, user: str):
    note = notes.get(note_id)
    if note is None or note["owner"] != user:
        raise HTTPException(404)
    return note

@app.post("/notes", status_code=201)
def create_note(data: NoteIn, user: str = Depends(current_user)):
    number = len(notes) + 1
    notes[number] = {"id": number, "text": data.text, "owner": user}
    return notes[number]

@app.get("/notes")
def list_notes(q: str = "", user: str = Depends(current_user)):
    return [one for one in notes.values() if one["owner"] == user and q in one["text"]]

@app.get("/notes/{note_id}")
def read_note(note_id: int, user: str = Depends(current_user)):
    return the_note(note_id, user)

@app.put("/notes/{note_id}")
def change_note(note_id: int, data: NoteIn, user: str = Depends(current_user)):
    note = the_note(note_id, user)
    note["text"] = data.text
    return note

@app.delete("/notes/{note_id}", status_code=204)
def delete_note(note_id: int, user: str = Depends(current_user)):
    the_note(note_id, user)
    del notes[note_id]
"""
)
"""Users with notes that nobody else sees."""

STORED = """
import secrets
from fastapi import Depends, FastAPI, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = FastAPI()
engine = create_engine("sqlite:///notes.db")
bearer = OAuth2PasswordBearer("login")
tokens = {}

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    role: Mapped[str]

class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str]

Base.metadata.create_all(engine)

def session():
    with Session(engine, expire_on_commit=False) as session:
        yield session

def hashed(password: str) -> str:
    import bcrypt
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()

def fits(password: str, stored: str) -> bool:
    import bcrypt
    return bcrypt.checkpw(password.encode(), stored.encode())

class Account(BaseModel):
    email: str
    password: str

class NoteIn(BaseModel):
    text: str

class UserOut(BaseModel):
    id: int
    email: str

@app.post("/register", status_code=201, response_model=UserOut)
def register(data: Account, session: Session = Depends(session)):
    user = User(email=data.email, password=hashed(data.password), role="user")
    session.add(user)
    session.commit()
    return user

@app.post("/login")
def login(username: str = Form(), password: str = Form(), session: Session = Depends(session)):
    user = session.scalars(select(User).where(User.email == username)).first()
    if user is None or not fits(password, user.password):
        raise HTTPException(401)
    token = secrets.token_hex()
    tokens[token] = user.id
    return {"access_token": token}

def current_user(token: str = Depends(bearer), session: Session = Depends(session)):
    user = session.get(User, tokens.get(token, 0))
    if user is None:
        raise HTTPException(401)
    return user

@app.get("/me", response_model=UserOut)
def me(user: User = Depends(current_user)):
    return user

@app.post("/notes", status_code=201)
def create_note(
    data: NoteIn, user: User = Depends(current_user), session: Session = Depends(session)
):
    note = Note(owner_id=user.id, text=data.text)
    session.add(note)
    session.commit()
    return {"id": note.id, "text": note.text}
"""
"""Users and notes in a database."""
