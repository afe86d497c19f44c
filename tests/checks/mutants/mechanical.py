# ruff: noqa: E501  # texts as they stand in the apps
"""Answers without a model, lists without end, indexes that are missing, statuses that mislead."""

from tests.checks.mutants.mutant import Edit, Mutant

_MODEL = ("response-without-model",)
_END = ("unbounded-list",)
_INDEX = ("missing-index",)
_STATUS = ("wrong-status-code",)

_ORDERS = "shop/routers/orders.py"
_PRODUCTS = "shop/routers/products.py"

MUTANTS = (
    Mutant(
        "orders-without-a-model",
        "layered_sync",
        "handler",
        _MODEL,
        (
            Edit(
                _ORDERS,
                '@router.get("/{order_id}", response_model=OrderOut)',
                '@router.get("/{order_id}")',
            ),
        ),
        ("GET /orders/{order_id}",),
    ),
    Mutant(
        "products-without-a-model",
        "layered_sync",
        "handler",
        _MODEL,
        (Edit(_PRODUCTS, '@router.get("", response_model=List[ProductOut])', '@router.get("")'),),
        ("GET /products",),
    ),
    Mutant(
        "dictionary-of-a-document",
        "layered_sync",
        "handler",
        _MODEL,
        (
            Edit(
                "shop/routers/documents.py",
                '@router.get("/{document_id}", response_model=DocumentOut)\n',
                '@router.get("/{document_id}", response_model=dict)\n',
            ),
            Edit(
                "shop/routers/documents.py",
                """    document_id: Id, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    return DocumentService(db).get(user, document_id)""",
                """    document_id: Id, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    document = DocumentService(db).get(user, document_id)
    return {"id": document.id, "title": document.title}""",
            ),
        ),
        ("GET /documents/{document_id}",),
    ),
    Mutant(
        "project-without-a-model",
        "reference_app",
        "handler",
        _MODEL,
        (
            Edit(
                "app/routes/projects.py",
                '@router.post("", response_model=ProjectPublic, status_code=201)\n'
                "async def create_project(session: UserSession, data: ProjectCreate) -> Project:\n"
                "    return await project_service.create_project(session, data)",
                '@router.post("", status_code=201)\n'
                "async def create_project(session: UserSession, data: ProjectCreate) -> dict[str, Any]:\n"
                "    project = await project_service.create_project(session, data)\n"
                "    return project.model_dump()",
            ),
            Edit(
                "app/routes/projects.py",
                "from uuid import UUID\n",
                "from typing import Any\nfrom uuid import UUID\n",
            ),
        ),
        ("POST /api/v1/projects",),
    ),
    Mutant(
        "all-orders-at-once",
        "layered_sync",
        "repository",
        _END,
        (
            Edit(
                "shop/repositories/orders.py",
                """        query = select(Order).where(Order.customer_id == customer_id)
        return self.db.scalars(query.order_by(Order.id).offset(skip).limit(limit)).all()""",
                """        query = select(Order).where(Order.customer_id == customer_id)
        return self.db.scalars(query.order_by(Order.id)).all()""",
            ),
        ),
        ("GET /orders", "GET /users/{user_id}/orders"),
    ),
    Mutant(
        "as-many-as-the-client-likes",
        "layered_sync",
        "instance",
        _END,
        (
            Edit(
                "shop/dependencies.py",
                "        limit: Annotated[int, Query(ge=1, le=100)] = 20,\n",
                "        limit: Annotated[int, Query(ge=1)] = 20,\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "search-without-end",
        "layered_sync",
        "handler",
        _END,
        (
            Edit(
                _PRODUCTS,
                "    limit: Annotated[int, Query(ge=1, le=50)] = 20,\n",
                "    limit: int = 20,\n",
            ),
        ),
        ("GET /products/search",),
    ),
    Mutant(
        "all-items-at-once",
        "layered_sync",
        "handler",
        _END,
        (
            Edit(
                _ORDERS,
                "    return service.items.of_order(order.id, paging.limit)",
                "    return order.items",
            ),
        ),
        ("GET /orders/{order_id}/items",),
    ),
    Mutant(
        "hidden-list-without-end",
        "layered_sync",
        "hidden",
        _END,
        (
            Edit(
                "shop/routers/admin.py",
                "",
                """

@router.get("/emails", response_model=List[str], include_in_schema=False)
def emails(db: Session = Depends(get_db)):
    return db.scalars(select(User.email)).all()
""",
            ),
            Edit(
                "shop/routers/admin.py",
                "from sqlalchemy.orm import Session\n",
                "from sqlalchemy import select\nfrom sqlalchemy.orm import Session\n",
            ),
            Edit(
                "shop/routers/admin.py",
                "from shop.repositories.orders",
                "from shop.models import User\nfrom shop.repositories.orders",
            ),
        ),
        ("GET /admin/emails",),
    ),
    Mutant(
        "all-tags-at-once",
        "reference_app",
        "service",
        _END,
        (
            Edit(
                "app/routes/tags.py",
                """@router.get("", response_model=Page[TagPublic])
async def list_tags(session: UserSession, page: PageParams) -> Page[Tag]:
    return await tag_service.list_tags(session, page)""",
                """@router.get("", response_model=list[TagPublic])
async def list_tags(session: UserSession) -> list[Tag]:
    return await tag_service.list_tags(session)""",
            ),
            Edit(
                "app/services/tag_service.py",
                """async def list_tags(session: Session, page: PageParams) -> Page[Tag]:
    return await session.page(select(Tag), page)""",
                """async def list_tags(session: Session) -> list[Tag]:
    return (await session.exec(select(Tag))).all()""",
            ),
        ),
        ("GET /api/v1/tags",),
    ),
    Mutant(
        "no-index-on-the-customer",
        "layered_sync",
        "model",
        _INDEX,
        (
            Edit(
                "shop/models.py",
                'customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)',
                'customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))',
            ),
        ),
    ),
    Mutant(
        "no-index-on-the-owner",
        "layered_sync",
        "model",
        _INDEX,
        (
            Edit(
                "shop/models.py",
                'owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)',
                'owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))',
            ),
        ),
    ),
    Mutant(
        "no-index-on-the-product",
        "layered_sync",
        "model",
        _INDEX,
        (
            Edit(
                "shop/models.py",
                'product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)',
                'product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))',
            ),
        ),
    ),
    Mutant(
        "created-as-if-it-were-read",
        "layered_sync",
        "handler",
        _STATUS,
        (
            Edit(
                _ORDERS,
                '@router.post("", response_model=OrderOut, status_code=201)',
                '@router.post("", response_model=OrderOut)',
            ),
        ),
        ("POST /orders",),
    ),
    Mutant(
        "registered-as-if-it-were-read",
        "layered_sync",
        "handler",
        _STATUS,
        (
            Edit(
                "shop/routers/auth.py",
                '@router.post("/register", response_model=UserOut, status_code=201)',
                '@router.post("/register", response_model=UserOut)',
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "error-with-a-good-status",
        "layered_sync",
        "handler",
        (*_STATUS, *_MODEL),
        (
            Edit(
                _PRODUCTS,
                '@router.get("/{product_id}", response_model=ProductOut)\n'
                "def get_product(product_id: Id, service: ProductService = Depends(get_product_service)):\n"
                "    return service.get(product_id)",
                '@router.get("/{product_id}")\n'
                "def get_product(product_id: Id, service: ProductService = Depends(get_product_service)):\n"
                "    product = service.products.get(product_id)\n"
                "    if product is None:\n"
                '        return {"error": "product not found"}\n'
                "    return ProductOut.model_validate(product)",
            ),
        ),
        ("GET /products/{product_id}",),
    ),
    Mutant(
        "failed-login-with-a-good-status",
        "layered_sync",
        "service",
        (*_STATUS, *_MODEL),
        (
            Edit(
                "shop/services/auth.py",
                """            logger.warning("a login failed")
            raise HTTPException(status_code=401, detail="wrong email or password")""",
                """            logger.warning("a login failed")
            return {"success": False, "error": "wrong email or password"}""",
            ),
            Edit(
                "shop/routers/auth.py",
                '@router.post("/login", response_model=Tokens)',
                '@router.post("/login", response_model=None)',
            ),
        ),
        ("POST /auth/login",),
    ),
    Mutant(
        "tag-created-as-if-it-were-read",
        "reference_app",
        "handler",
        _STATUS,
        (
            Edit(
                "app/routes/tags.py",
                '@router.post("", response_model=TagPublic, status_code=201)',
                '@router.post("", response_model=TagPublic)',
            ),
        ),
        ("POST /api/v1/tags",),
    ),
)
