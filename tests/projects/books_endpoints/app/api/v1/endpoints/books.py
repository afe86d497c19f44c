from fastapi import APIRouter, HTTPException
from sqlmodel import col, func, select

from app.api.deps import CurrentUser, SessionDep
from app.models import Book, BookPublic, BooksPublic, BookUpdate

router = APIRouter()


@router.get("/", response_model=BooksPublic)
async def read_books(
    session: SessionDep, current_user: CurrentUser, skip: int = 0, limit: int = 50
):
    """Retrieve books."""
    owned = Book.owner_id == current_user.id
    count = (await session.exec(select(func.count()).select_from(Book).where(owned))).one()
    statement = select(Book).where(owned).order_by(col(Book.created_at).desc())
    books = (await session.exec(statement.offset(skip).limit(limit))).all()
    return BooksPublic(books=books, count=count)


@router.post("/", response_model=BookPublic, status_code=201)
async def create_book(session: SessionDep, current_user: CurrentUser, book: Book):
    """Create a book."""
    book.owner_id = current_user.id
    session.add(book)
    await session.commit()
    await session.refresh(book)
    return book


@router.get("/{book_id}", response_model=BookPublic)
async def read_book(session: SessionDep, current_user: CurrentUser, book_id: int):
    """Get a book."""
    book = await session.get(Book, book_id)
    if book is None or book.owner_id != current_user.id:
        raise HTTPException(status_code=404, detail="Book not found")
    return book


@router.patch("/{book_id}", response_model=BookPublic)
async def update_book(
    session: SessionDep, current_user: CurrentUser, book_id: int, data: BookUpdate
):
    """Update a book."""
    book = await session.get(Book, book_id)
    if book is None:
        raise HTTPException(status_code=404, detail="Book not found")
    book.sqlmodel_update(data.model_dump(exclude_unset=True))
    session.add(book)
    await session.commit()
    await session.refresh(book)
    return book


@router.delete("/{book_id}", status_code=204)
async def delete_book(session: SessionDep, current_user: CurrentUser, book_id: int) -> None:
    """Delete a book."""
    book = await read_book(session, current_user, book_id)
    await session.delete(book)
    await session.commit()
