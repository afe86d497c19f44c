from .parcels import router as parcels_router
from .users import router as users_router

__all__ = ["parcels_router", "users_router"]
