from .posts import router as posts_router
from .users import *
