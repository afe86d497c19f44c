from fastapi import FastAPI

from app.routers import auth, entries

app = FastAPI(title="Diary")

app.include_router(auth.router)
app.include_router(entries.router)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}
