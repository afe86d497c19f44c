from fastapi import HTTPException


def not_found(what: str) -> HTTPException:
    return HTTPException(status_code=404, detail=f"{what} not found")


def conflict(why: str) -> HTTPException:
    return HTTPException(status_code=409, detail=why)
