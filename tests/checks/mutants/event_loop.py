# ruff: noqa: E501  # texts as they stand in the apps
"""What holds the event loop, and sessions that are shared, committed too late or held too long."""

from tests.checks.mutants.mutant import Edit, Mutant

_BLOCKS = ("blocking-call-in-async",)
_SYNC = ("sync-session-in-async-route", "blocking-call-in-async")

_PRODUCTS = "shop/routers/products.py"
_DEPENDENCIES = "shop/dependencies.py"
_GET_DB = """    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()
"""

MUTANTS = (
    Mutant(
        "query-in-an-async-handler",
        "layered_sync",
        "handler",
        _SYNC,
        (
            Edit(
                "shop/routers/users.py",
                "def orders_of_user(",
                "async def orders_of_user(",
            ),
        ),
        ("GET /users/{user_id}/orders", "shop/repositories/orders.py"),
    ),
    Mutant(
        "query-in-a-service-of-an-async-handler",
        "layered_sync",
        "service",
        _SYNC,
        (Edit(_PRODUCTS, "def update_product(", "async def update_product("),),
        (
            "PATCH /products/{product_id}",
            "shop/services/products.py",
            "shop/repositories/base.py",
        ),
    ),
    Mutant(
        "query-in-an-async-dependency",
        "layered_sync",
        "dependency",
        _SYNC,
        (Edit(_DEPENDENCIES, "def get_current_user(", "async def get_current_user("),),
        ("*",),
    ),
    Mutant(
        "query-in-an-async-dependency-of-the-order",
        "layered_sync",
        "dependency",
        _SYNC,
        (Edit("shop/routers/orders.py", "def own_order(", "async def own_order("),),
        ("*",),
    ),
    Mutant(
        "query-in-an-async-instance",
        "layered_sync",
        "instance",
        _SYNC,
        (
            Edit(
                _DEPENDENCIES,
                """    def __call__(self, user: User = Depends(get_current_user)) -> User:
        if user.role != self.role:""",
                """    async def __call__(
        self, user: User = Depends(get_current_user), db: Session = Depends(get_db)
    ) -> User:
        fresh = UserRepository(db).get(user.id)
        if fresh is None or fresh.role != self.role:""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "query-in-a-hidden-async-handler",
        "layered_sync",
        "hidden",
        _SYNC,
        (Edit("shop/routers/admin.py", "def stats(", "async def stats("),),
        ("GET /admin/stats", "shop/repositories/users.py", "shop/repositories/orders.py"),
    ),
    Mutant(
        "upload-stored-on-the-event-loop",
        "layered_sync",
        "handler",
        _SYNC,
        (
            Edit(
                "shop/routers/documents.py",
                "return await run_in_threadpool(DocumentService(db).save, user, title, contents)",
                "return DocumentService(db).save(user, title, contents)",
            ),
        ),
        ("POST /documents", "shop/services/documents.py", "shop/repositories/base.py"),
    ),
    Mutant(
        "a-nap-in-an-async-handler",
        "layered_sync",
        "handler",
        _BLOCKS,
        (
            Edit(
                "shop/main.py",
                'async def health():\n    return Health(status="ok")',
                'async def health():\n    time.sleep(0.2)\n    return Health(status="ok")',
            ),
            Edit("shop/main.py", "import logging\n", "import logging\nimport time\n"),
        ),
        ("GET /health",),
    ),
    Mutant(
        "a-nap-three-calls-down",
        "layered_sync",
        "service",
        _BLOCKS,
        (
            Edit(
                "shop/main.py",
                'async def health():\n    return Health(status="ok")',
                "async def health():\n    return Health(status=await status())",
            ),
            Edit(
                "shop/main.py",
                '@app.get("/health", response_model=Health)\n',
                """class Monitor:
    def look(self) -> str:
        self.wait()
        return "ok"

    def wait(self) -> None:
        time.sleep(0.2)


async def status() -> str:
    return Monitor().look()


@app.get("/health", response_model=Health)
""",
            ),
            Edit("shop/main.py", "import logging\n", "import logging\nimport time\n"),
        ),
        ("GET /health",),
    ),
    Mutant(
        "supplier-called-on-the-event-loop",
        "layered_sync",
        "service",
        _SYNC,
        (Edit(_PRODUCTS, "def get_stock(", "async def get_stock("),),
        (
            "GET /products/{product_id}/stock",
            "shop/services/products.py",
            "shop/repositories/base.py",
        ),
    ),
    Mutant(
        "password-hashed-on-the-event-loop",
        "layered_sync",
        "service",
        _SYNC,
        (Edit("shop/routers/auth.py", "def login(", "async def login("),),
        (
            "POST /auth/login",
            "shop/services/auth.py",
            "shop/security.py",
            "shop/repositories/users.py",
        ),
    ),
    Mutant(
        "file-read-on-the-event-loop",
        "layered_sync",
        "handler",
        _BLOCKS,
        (
            Edit(
                "shop/routers/documents.py",
                '@router.get("/manuals/{name}", response_class=FileResponse)\n',
                """@router.get("/terms", response_class=PlainTextResponse)
async def terms(user: User = Depends(get_current_user)):
    with open("terms.txt") as file:
        return file.read()


@router.get("/manuals/{name}", response_class=FileResponse)
""",
            ),
            Edit(
                "shop/routers/documents.py",
                "import FileResponse\n",
                "import FileResponse, PlainTextResponse\n",
            ),
        ),
        ("GET /documents/terms",),
    ),
    Mutant(
        "program-run-on-the-event-loop",
        "layered_sync",
        "hidden",
        _BLOCKS,
        (
            Edit(
                "shop/main.py",
                "",
                """

@app.get("/internal/disk", response_model=Health, include_in_schema=False)
async def disk(user: User = Depends(get_current_user)):
    done = subprocess.run(["df", "-h"], capture_output=True, text=True)
    return Health(status="ok" if done.returncode == 0 else "full")
""",
            ),
            Edit("shop/main.py", "import logging\n", "import logging\nimport subprocess\n"),
            Edit("shop/main.py", "import FastAPI, Request\n", "import Depends, FastAPI, Request\n"),
            Edit(
                "shop/main.py",
                "from shop.database import Base, engine\n",
                "from shop.database import Base, engine\nfrom shop.dependencies import get_current_user\nfrom shop.models import User\n",
            ),
        ),
        ("GET /internal/disk",),
    ),
    Mutant(
        "async-router-dependency-that-waits",
        "layered_sync",
        "router",
        _BLOCKS,
        (
            Edit(
                "shop/routers/orders.py",
                'tags=["orders"], dependencies=[Depends(get_current_user)])',
                'tags=["orders"], dependencies=[Depends(get_current_user), Depends(slow_down)])',
            ),
            Edit(
                "shop/routers/orders.py",
                'router = APIRouter(prefix="/orders"',
                'async def slow_down() -> None:\n    time.sleep(0.1)\n\n\nrouter = APIRouter(prefix="/orders"',
            ),
            Edit(
                "shop/routers/orders.py",
                "from typing import List\n",
                "import time\nfrom typing import List\n",
            ),
        ),
        ("*",),
    ),
    # sessions
    Mutant(
        "one-session-for-all",
        "layered_sync",
        "dependency",
        ("shared-session",),
        (
            Edit(
                "shop/database.py",
                "def get_db() -> Iterator[Session]:\n" + _GET_DB,
                "shared = SessionLocal()\n\n\ndef get_db() -> Iterator[Session]:\n    yield shared\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "one-service-for-all",
        "layered_sync",
        "service",
        ("shared-session",),
        (
            Edit(
                _PRODUCTS,
                "def get_product_service(db: Session = Depends(get_db)) -> ProductService:\n    return ProductService(db)",
                "products = ProductService(SessionLocal())\n\n\n"
                "def get_product_service() -> ProductService:\n    return products",
            ),
            Edit(
                _PRODUCTS,
                "from shop.database import get_db\n",
                "from shop.database import SessionLocal\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "one-repository-for-all",
        "layered_sync",
        "repository",
        ("shared-session",),
        (
            Edit(
                "shop/routers/admin.py",
                "def stats(db: Session = Depends(get_db)):\n"
                "    return Stats(users=UserRepository(db).count(), orders=OrderRepository(db).count())",
                "def stats(db: Session = Depends(get_db)):\n"
                "    return Stats(users=every_user.count(), orders=OrderRepository(db).count())",
            ),
            Edit(
                "shop/routers/admin.py",
                "router = APIRouter(",
                "every_user = UserRepository(SessionLocal())\nrouter = APIRouter(",
            ),
            Edit(
                "shop/routers/admin.py",
                "from shop.database import get_db\n",
                "from shop.database import SessionLocal, get_db\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "commit-when-the-answer-is-gone",
        "layered_sync",
        "dependency",
        ("commit-after-response",),
        (
            Edit(
                "shop/database.py",
                "        yield db\n",
                "        yield db\n        db.commit()\n",
            ),
            Edit(
                "shop/repositories/base.py",
                """        self.db.add(row)
        self.db.commit()
""",
                """        self.db.add(row)
        self.db.flush()
""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "commit-in-the-background",
        "layered_sync",
        "handler",
        ("commit-after-response",),
        (
            Edit(
                _PRODUCTS,
                """def delete_product(product_id: Id, service: ProductService = Depends(get_product_service)):
    service.delete(product_id)
""",
                """def delete_product(
    product_id: Id,
    background: BackgroundTasks,
    service: ProductService = Depends(get_product_service),
):
    service.db.delete(service.get(product_id))
    background.add_task(service.db.commit)
""",
            ),
            Edit(
                _PRODUCTS,
                "import APIRouter, Depends, Query\n",
                "import APIRouter, BackgroundTasks, Depends, Query\n",
            ),
        ),
        ("DELETE /products/{product_id}",),
    ),
    Mutant(
        "session-held-by-a-stream",
        "layered_sync",
        "handler",
        ("connection-held-by-stream",),
        (
            Edit(
                "shop/routers/orders.py",
                '@router.get("/{order_id}", response_model=OrderOut)\n',
                """@router.get("/export", response_class=StreamingResponse)
def export_orders(service: OrderService = Depends(get_order_service)):
    def lines():
        query = select(Order).where(Order.customer_id == service.customer.id)
        for order in service.db.scalars(query.execution_options(yield_per=100)):
            yield f"{order.id},{order.status}\\n"

    return StreamingResponse(lines(), media_type="text/csv")


@router.get("/{order_id}", response_model=OrderOut)
""",
            ),
            Edit(
                "shop/routers/orders.py",
                "import PlainTextResponse\n",
                "import PlainTextResponse, StreamingResponse\nfrom sqlalchemy import select\n",
            ),
        ),
        ("GET /orders/export",),
    ),
    # the reference app
    Mutant(
        "a-nap-in-a-service",
        "reference_app",
        "service",
        _BLOCKS,
        (
            Edit(
                "app/services/tag_service.py",
                "    return await session.add(Tag(**data.model_dump()))",
                "    time.sleep(0.1)\n    return await session.add(Tag(**data.model_dump()))",
            ),
            Edit(
                "app/services/tag_service.py",
                "from uuid import UUID\n",
                "import time\nfrom uuid import UUID\n",
            ),
        ),
        ("POST /api/v1/tags",),
    ),
    Mutant(
        "hash-on-the-event-loop",
        "reference_app",
        "service",
        _BLOCKS,
        (
            Edit(
                "app/services/user_service.py",
                """    password_hash = await hash_password(data.password)
    everyone""",
                """    password_hash = bcrypt.hashpw(data.password.encode(), bcrypt.gensalt()).decode()
    everyone""",
            ),
            Edit(
                "app/services/user_service.py",
                "from apiwright.kit.passwords",
                "import bcrypt\nfrom apiwright.kit.passwords",
            ),
        ),
        ("POST /api/v1/auth/register",),
    ),
    Mutant(
        "call-to-another-service-on-the-event-loop",
        "reference_app",
        "service",
        _BLOCKS,
        (
            Edit(
                "app/services/project_service.py",
                "    return await session.add(Project(**data.model_dump()))",
                "    _announce(data.name)\n    return await session.add(Project(**data.model_dump()))",
            ),
            Edit(
                "app/services/project_service.py",
                "",
                """

def _announce(name: str) -> None:
    body = json.dumps({"text": name}).encode()
    with suppress(OSError):
        urllib.request.urlopen("http://127.0.0.1:9/hook", body, timeout=1)
""",
            ),
            Edit(
                "app/services/project_service.py",
                "from uuid import UUID\n",
                "import json\nimport urllib.request\nfrom contextlib import suppress\nfrom uuid import UUID\n",
            ),
        ),
        ("POST /api/v1/projects",),
    ),
    Mutant(
        "file-written-by-an-async-dependency",
        "reference_app",
        "router",
        _BLOCKS,
        (
            Edit(
                "app/routes/projects.py",
                'router = APIRouter(prefix="/projects", tags=["projects"])',
                """async def note_the_time() -> None:
    Path("last-request").write_text("now")


router = APIRouter(
    prefix="/projects", tags=["projects"], dependencies=[Depends(note_the_time)]
)""",
            ),
            Edit(
                "app/routes/projects.py",
                "from fastapi import APIRouter\n",
                "from fastapi import APIRouter, Depends\n",
            ),
            Edit(
                "app/routes/projects.py",
                "from uuid import UUID\n",
                "from pathlib import Path\nfrom uuid import UUID\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "a-class-that-waits",
        "reference_app",
        "instance",
        _BLOCKS,
        (
            Edit(
                "app/routes/tags.py",
                '@router.get("", response_model=Page[TagPublic])\n',
                '@router.get("", response_model=Page[TagPublic], dependencies=[Depends(Slowly(0.1))])\n',
            ),
            Edit(
                "app/routes/tags.py",
                'router = APIRouter(prefix="/tags", tags=["tags"])',
                """router = APIRouter(prefix="/tags", tags=["tags"])


class Slowly:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __call__(self) -> None:
        time.sleep(self.seconds)""",
            ),
            Edit(
                "app/routes/tags.py",
                "from fastapi import APIRouter\n",
                "from fastapi import APIRouter, Depends\n",
            ),
            Edit(
                "app/routes/tags.py",
                "from uuid import UUID\n",
                "import time\nfrom uuid import UUID\n",
            ),
        ),
        ("GET /api/v1/tags",),
    ),
)
