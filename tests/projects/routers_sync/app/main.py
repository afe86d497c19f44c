from fastapi import FastAPI

from app import routers
from app.database import Base, engine
from app.routers import posts_router

Base.metadata.create_all(bind=engine)

app = FastAPI()

app.include_router(posts_router)
app.include_router(routers.users_router, prefix='/users', tags=['users'])


@app.post('/login')
def login():
    return {'access_token': 'x'}
