from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy.orm import Session

from app import models, schemas
from app.auth import get_current_user
from app.database import get_db

router = APIRouter(prefix='/posts', tags=['posts'])


@router.get('/', response_model=schemas.Envelope)
def list_posts(skip: int = 0, limit: int = 20, db: Session = Depends(get_db)):
    posts = db.query(models.Post).offset(skip).limit(limit).all()
    return {'message': 'ok', 'data': posts}


@router.post('/', response_model=schemas.PostOut, status_code=201)
def create_post(
    post: schemas.PostIn,
    db: Session = Depends(get_db),
    user: models.User = Depends(get_current_user),
):
    row = models.Post(**post.dict(), author_id=user.id)
    db.add(row)
    db.commit()
    return row


@router.get('/{post_id}', response_model=schemas.PostOut)
def get_post(post_id: int, db: Session = Depends(get_db)):
    post = db.query(models.Post).filter(models.Post.id == post_id).first()
    if not post:
        raise HTTPException(status_code=404, detail='No such post')
    return post
