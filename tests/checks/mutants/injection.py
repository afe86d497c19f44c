# ruff: noqa: E501  # texts as they stand in the apps
"""What a client sends becomes a statement, a command, an address, a path or a place to go to."""

from tests.checks.mutants.mutant import Edit, Mutant

_SQL = ("sql-injection",)
_COMMAND = ("command-injection",)
_FORGERY = ("server-side-request-forgery",)
_PATH = ("path-traversal",)
_REDIRECT = ("open-redirect",)

_PRODUCTS = "shop/repositories/products.py"
_ORDERS = "shop/repositories/orders.py"
_SEARCH = """        statement = text(
            "SELECT id, sku, name, price FROM products WHERE name LIKE :pattern ORDER BY id LIMIT :limit"
        )
        rows = self.db.execute(statement, {"pattern": f"%{words}%", "limit": limit})
"""
_AFTER_LOGIN = """    parts = urlsplit(next.replace("\\\\", "/"))
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or parts.path.startswith("//"):
        return RedirectResponse("/", status_code=303)
    return RedirectResponse(parts.path, status_code=303)
"""
_MANUAL = """    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or not path.is_file():
        raise HTTPException(status_code=404, detail="manual not found")
    return FileResponse(path)
"""

MUTANTS = (
    Mutant(
        "search-by-a-formatted-statement",
        "layered_sync",
        "repository",
        (*_SQL, "server-error-for-client-mistake"),
        (
            Edit(
                _PRODUCTS,
                _SEARCH,
                """        statement = text(
            f"SELECT id, sku, name, price FROM products WHERE name LIKE '%{words}%' LIMIT {limit}"
        )
        rows = self.db.execute(statement)
""",
            ),
        ),
        ("GET /products/search",),
    ),
    Mutant(
        "search-by-an-added-statement",
        "layered_sync",
        "repository",
        (*_SQL, "server-error-for-client-mistake"),
        (
            Edit(
                _PRODUCTS,
                _SEARCH,
                """        statement = "SELECT id, sku, name, price FROM products WHERE name LIKE '%"
        statement += words + "%' LIMIT 50"
        rows = self.db.execute(text(statement))
""",
            ),
        ),
        ("GET /products/search",),
    ),
    Mutant(
        "search-by-percent",
        "layered_sync",
        "repository",
        (*_SQL, "server-error-for-client-mistake"),
        (
            Edit(
                _ORDERS,
                "query = query.filter(Order.note.contains(words, autoescape=True))",
                "query = query.filter(text(\"note LIKE '%%%s%%'\" % words))",
            ),
            Edit(_ORDERS, "import delete, func, select\n", "import delete, func, select, text\n"),
        ),
        ("GET /orders/search",),
    ),
    Mutant(
        "order-of-the-list-as-sent",
        "layered_sync",
        "repository",
        (*_SQL, "server-error-for-client-mistake"),
        (
            Edit(
                _PRODUCTS,
                "select(Product).order_by(SORTS[sort], Product.id)",
                "select(Product).order_by(text(sort))",
            ),
            Edit(
                "shop/routers/products.py",
                '    sort: Literal["id", "name", "price"] = "id",\n',
                '    sort: str = "id",\n',
            ),
        ),
        ("GET /products",),
    ),
    Mutant(
        "hidden-count-by-a-formatted-statement",
        "layered_sync",
        "hidden",
        (*_SQL, "server-error-for-client-mistake", "response-without-model"),
        (
            Edit(
                "shop/routers/admin.py",
                "",
                """

@router.get("/count", include_in_schema=False, response_model=Stats)
def count(status: str = "open", db: Session = Depends(get_db)):
    query = "SELECT count(*) FROM orders WHERE status = '{}'".format(status)
    return Stats(users=0, orders=db.execute(text(query)).scalar())
""",
            ),
            Edit(
                "shop/routers/admin.py",
                "from sqlalchemy.orm import Session\n",
                "from sqlalchemy import text\nfrom sqlalchemy.orm import Session\n",
            ),
        ),
        ("GET /admin/count",),
    ),
    Mutant(
        "login-by-a-formatted-statement",
        "layered_sync",
        "repository",
        (*_SQL, "server-error-for-client-mistake"),
        (
            Edit(
                "shop/repositories/users.py",
                "self.db.scalars(select(User).where(User.email == email)).first()",
                "self.db.scalars(select(User).where(text(f\"email = '{email}'\"))).first()",
            ),
            Edit(
                "shop/repositories/users.py", "import func, select\n", "import func, select, text\n"
            ),
        ),
        ("POST /auth/login",),
    ),
    Mutant(
        "archive-by-a-command",
        "layered_sync",
        "service",
        _COMMAND,
        (
            Edit(
                "shop/services/documents.py",
                "        return self.documents.add(Document(",
                '        os.system(f"touch {self.folder}/{title}.new")\n        return self.documents.add(Document(',
            ),
            Edit(
                "shop/services/documents.py",
                "from pathlib import Path\n",
                "import os\nfrom pathlib import Path\n",
            ),
        ),
        ("POST /documents",),
    ),
    Mutant(
        "manual-by-a-shell",
        "layered_sync",
        "handler",
        _COMMAND,
        (
            Edit(
                "shop/routers/documents.py",
                '@router.get("/manuals/{name}", response_class=FileResponse)\n',
                """@router.get("/manuals/{name}/size", response_class=PlainTextResponse)
def size_of_manual(name: str, user: User = Depends(get_current_user)):
    done = subprocess.run("du manuals/" + name, shell=True, capture_output=True, text=True)
    return done.stdout


@router.get("/manuals/{name}", response_class=FileResponse)
""",
            ),
            Edit(
                "shop/routers/documents.py",
                "from pathlib import Path\n",
                "import subprocess\nfrom pathlib import Path\n",
            ),
            Edit(
                "shop/routers/documents.py",
                "import FileResponse\n",
                "import FileResponse, PlainTextResponse\n",
            ),
        ),
        ("GET /documents/manuals/{name}/size",),
    ),
    Mutant(
        "hidden-ping-by-a-shell",
        "layered_sync",
        "hidden",
        _COMMAND,
        (
            Edit(
                "shop/routers/admin.py",
                "",
                """

class Pinger:
    def ping(self, host: str) -> bool:
        with subprocess.Popen(f"ping -c 1 {host}", shell=True) as process:
            return process.wait() == 0


@router.get("/ping", response_model=bool, include_in_schema=False)
def ping(host: str):
    return Pinger().ping(host)
""",
            ),
            Edit(
                "shop/routers/admin.py",
                "from typing import List\n",
                "import subprocess\nfrom typing import List\n",
            ),
        ),
        ("GET /admin/ping",),
    ),
    Mutant(
        "expression-of-the-client",
        "layered_sync",
        "handler",
        _COMMAND,
        (
            Edit(
                "shop/routers/products.py",
                "    return service.search(q, limit)",
                "    return [one for one in service.search('', limit) if eval(q, {'one': one})]",
            ),
        ),
        ("GET /products/search",),
    ),
    Mutant(
        "address-of-the-supplier-in-the-query",
        "layered_sync",
        "service",
        _FORGERY,
        (
            Edit(
                "shop/services/products.py",
                "    def stock(self, product_id: int) -> Stock:",
                "    def stock(self, product_id: int, supplier: str) -> Stock:",
            ),
            Edit(
                "shop/services/products.py",
                'url = f"{get_settings().supplier_url}/stock/{quote(product.sku)}"',
                'url = f"{supplier}/stock/{quote(product.sku)}"',
            ),
            Edit(
                "shop/routers/products.py",
                """def get_stock(product_id: Id, service: ProductService = Depends(get_product_service)):
    return service.stock(product_id)""",
                """def get_stock(
    product_id: Id, supplier: str, service: ProductService = Depends(get_product_service)
):
    return service.stock(product_id, supplier)""",
            ),
        ),
        ("GET /products/{product_id}/stock",),
    ),
    Mutant(
        "document-fetched-from-an-address",
        "layered_sync",
        "handler",
        _FORGERY,
        (
            Edit(
                "shop/routers/documents.py",
                '@router.get("/{document_id}", response_model=DocumentOut)\n',
                """@router.post("/by-url", response_model=DocumentOut, status_code=201)
def import_document(
    url: str, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    contents = requests.get(url, timeout=5).content[:LARGEST]
    return DocumentService(db).save(user, "imported", contents)


@router.get("/{document_id}", response_model=DocumentOut)
""",
            ),
            Edit(
                "shop/routers/documents.py",
                "from fastapi import APIRouter,",
                "import requests\nfrom fastapi import APIRouter,",
            ),
        ),
        ("POST /documents/by-url",),
    ),
    Mutant(
        "hook-of-an-order",
        "layered_sync",
        "service",
        _FORGERY,
        (
            Edit(
                "shop/schemas.py",
                "class OrderCreate(BaseModel):\n",
                "class OrderCreate(BaseModel):\n    callback: Optional[str] = None\n",
            ),
            Edit(
                "shop/services/orders.py",
                "        return self.orders.add(Order(",
                "        if data.callback:\n            Notifier().tell(data.callback)\n        return self.orders.add(Order(",
            ),
            Edit(
                "shop/services/orders.py",
                "class OrderService:\n",
                """class Notifier:
    def tell(self, address: str) -> None:
        try:
            urllib.request.urlopen(address, data=b"new order", timeout=5)
        except (OSError, ValueError):
            pass


class OrderService:
""",
            ),
            Edit(
                "shop/services/orders.py",
                "from typing import List\n",
                "import urllib.request\nfrom typing import List\n",
            ),
        ),
        ("POST /orders",),
    ),
    Mutant(
        "manual-anywhere",
        "layered_sync",
        "handler",
        _PATH,
        (
            Edit("shop/routers/documents.py", _MANUAL, "    return FileResponse(folder / name)\n"),
            Edit("shop/routers/documents.py", '"/manuals/{name}"', '"/manuals/{name:path}"'),
        ),
        ("GET /documents/manuals/{name:path}",),
    ),
    Mutant(
        "manual-that-starts-like-the-folder",
        "layered_sync",
        "handler",
        _PATH,
        (
            Edit(
                "shop/routers/documents.py",
                _MANUAL,
                """    path = os.path.join(str(folder), name)
    if not path.startswith(str(folder)) or not os.path.isfile(path):
        raise HTTPException(status_code=404, detail="manual not found")
    return FileResponse(path)
""",
            ),
            Edit("shop/routers/documents.py", '"/manuals/{name}"', '"/manuals/{name:path}"'),
            Edit(
                "shop/routers/documents.py",
                "from pathlib import Path\n",
                "import os\nfrom pathlib import Path\n",
            ),
        ),
        ("GET /documents/manuals/{name:path}",),
    ),
    Mutant(
        "document-stored-under-its-title",
        "layered_sync",
        "service",
        (*_PATH, "server-error-for-client-mistake"),
        (Edit("shop/services/documents.py", "stored_as = uuid4().hex", "stored_as = title"),),
        ("POST /documents",),
    ),
    Mutant(
        "upload-stored-under-its-own-name",
        "layered_sync",
        "handler",
        (*_PATH, "server-error-for-client-mistake", "blocking-call-in-async"),
        (
            Edit(
                "shop/routers/documents.py",
                "    contents = await file.read(LARGEST + 1)\n",
                "    contents = await file.read(LARGEST + 1)\n"
                '    await run_in_threadpool(Path(f"./{file.filename}").write_bytes, contents)\n',
            ),
        ),
        ("POST /documents",),
    ),
    Mutant(
        "goes-where-it-is-told",
        "layered_sync",
        "handler",
        _REDIRECT,
        (
            Edit(
                "shop/routers/auth.py",
                _AFTER_LOGIN,
                "    return RedirectResponse(next, status_code=303)\n",
            ),
        ),
        ("GET /auth/after-login",),
    ),
    Mutant(
        "goes-where-it-is-told-if-it-starts-well",
        "layered_sync",
        "handler",
        _REDIRECT,
        (
            Edit(
                "shop/routers/auth.py",
                _AFTER_LOGIN,
                '    if not next.startswith("/"):\n        next = "/"\n'
                "    return RedirectResponse(next, status_code=303)\n",
            ),
        ),
        ("GET /auth/after-login",),
    ),
    Mutant(
        "location-by-hand",
        "layered_sync",
        "service",
        _REDIRECT,
        (
            Edit("shop/routers/auth.py", _AFTER_LOGIN, "    return onward(next)\n"),
            Edit(
                "shop/routers/auth.py",
                'router = APIRouter(prefix="/auth", tags=["auth"])\n',
                """router = APIRouter(prefix="/auth", tags=["auth"])


def onward(target: str) -> Response:
    return Response(status_code=302, headers={"Location": target})
""",
            ),
            Edit(
                "shop/routers/auth.py",
                "import APIRouter, Depends\n",
                "import APIRouter, Depends, Response\n",
            ),
        ),
        ("GET /auth/after-login",),
    ),
    # the reference app
    Mutant(
        "tasks-found-by-a-formatted-statement",
        "reference_app",
        "service",
        (*_SQL, "server-error-for-client-mistake"),
        (
            Edit(
                "app/services/task_service.py",
                "tasks.where(col(Task.title).icontains(query.search, autoescape=True))",
                "tasks.where(text(f\"title ILIKE '%{query.search}%'\"))",
            ),
            Edit("app/services/task_service.py", "import col, select\n", "import select, text\n"),
        ),
        ("GET /api/v1/tasks",),
    ),
    Mutant(
        "picture-of-a-project",
        "reference_app",
        "handler",
        (*_FORGERY, "response-without-model"),
        (
            Edit(
                "app/routes/projects.py",
                "",
                """

@router.post("/preview", response_model=int)
def preview(session: UserSession, address: str) -> int:
    try:
        return int(urllib.request.urlopen(address, timeout=5).status)
    except (OSError, ValueError):
        return 0
""",
            ),
            Edit(
                "app/routes/projects.py",
                "from uuid import UUID\n",
                "import urllib.request\nfrom uuid import UUID\n",
            ),
        ),
        ("POST /api/v1/projects/preview",),
    ),
    Mutant(
        "report-of-a-project",
        "reference_app",
        "hidden",
        (*_PATH, "blocking-call-in-async"),
        (
            Edit(
                "app/routes/projects.py",
                "",
                """

@router.get("/reports/{name:path}", response_class=FileResponse, include_in_schema=False)
async def report(session: UserSession, name: str) -> FileResponse:
    return FileResponse(f"reports/{name}")
""",
            ),
            Edit(
                "app/routes/projects.py",
                "from fastapi import APIRouter\n",
                "from fastapi import APIRouter\nfrom fastapi.responses import FileResponse\n",
            ),
        ),
        ("GET /api/v1/projects/reports/{name:path}",),
    ),
    Mutant(
        "onward-from-the-reference-app",
        "reference_app",
        "handler",
        _REDIRECT,
        (
            Edit(
                "app/routes/auth.py",
                "",
                """

@router.get("/continue", response_class=RedirectResponse)
async def go_on(session: UserSession, next: str = "/") -> RedirectResponse:
    return RedirectResponse(url=next)
""",
            ),
            Edit(
                "app/routes/auth.py",
                "from fastapi.security import",
                "from fastapi.responses import RedirectResponse\nfrom fastapi.security import",
            ),
        ),
        ("GET /api/v1/auth/continue",),
    ),
)
