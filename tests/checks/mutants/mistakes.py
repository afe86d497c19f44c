# ruff: noqa: E501  # texts as they stand in the apps
"""A client's mistake that is answered with 500, and websites that may read what they should not."""

from tests.checks.mutants.mutant import Edit, Mutant

_500 = ("server-error-for-client-mistake",)
_CORS = ("cors-any-origin-with-credentials",)

_SCHEMAS = "shop/schemas.py"
_PRODUCTS = "shop/services/products.py"
_PRODUCT_ROUTES = "shop/routers/products.py"
_ORIGINS = "    allow_origins=get_settings().frontend_origins,\n"

MUTANTS = (
    Mutant(
        "null-for-a-price",
        "layered_sync",
        "schema",
        _500,
        (
            Edit(
                _SCHEMAS,
                "    name: Name = None\n    price: Price = None\n",
                "    name: Name = None\n    price: Optional[Price] = None\n",
            ),
        ),
        ("PATCH /products/{product_id}",),
    ),
    Mutant(
        "null-for-a-status",
        "layered_sync",
        "schema",
        _500,
        (
            Edit(
                _SCHEMAS,
                '    status: Literal["open", "paid", "cancelled"] = "open"\n',
                '    status: Optional[Literal["open", "paid", "cancelled"]] = None\n',
            ),
        ),
        ("PATCH /orders/{order_id}",),
    ),
    Mutant(
        "null-for-an-email",
        "layered_sync",
        "schema",
        _500,
        (
            Edit(
                _SCHEMAS,
                "    email: Email = None\n",
                "    email: Optional[Email] = None\n",
            ),
        ),
        ("PATCH /users/me", "shop/services/auth.py"),
    ),
    Mutant(
        "same-sku-twice",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                _PRODUCTS,
                """        try:
            return self.products.add(Product(**data.model_dump()))
        except IntegrityError:
            self.db.rollback()
            raise conflict("this sku is taken")""",
                "        return self.products.add(Product(**data.model_dump()))",
            ),
        ),
        ("POST /products",),
    ),
    Mutant(
        "same-email-twice",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                "shop/services/auth.py",
                """        try:
            user = self.users.add(user)
        except IntegrityError:
            self.db.rollback()
            raise conflict("this email is taken")
""",
                "        user = self.users.add(user)\n",
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "profile-with-an-email-that-is-taken",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                "shop/services/auth.py",
                """        try:
            return self.users.update(user, values)
        except IntegrityError:
            self.db.rollback()
            raise conflict("this email is taken")""",
                "        return self.users.update(user, values)",
            ),
        ),
        ("PATCH /users/me",),
    ),
    Mutant(
        "same-product-twice-in-an-order",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                "shop/services/orders.py",
                """        try:
            return self.items.add(OrderItem(order_id=order.id, **data.model_dump()))
        except IntegrityError:
            self.db.rollback()
            raise conflict("the order has this product already")""",
                "        return self.items.add(OrderItem(order_id=order.id, **data.model_dump()))",
            ),
        ),
        ("POST /orders/{order_id}/items",),
    ),
    Mutant(
        "product-that-is-not-there-in-an-order",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                "shop/services/orders.py",
                """        if self.products.get(data.product_id) is None:
            raise not_found("product")
        try:
            return self.items.add(OrderItem(order_id=order.id, **data.model_dump()))
        except IntegrityError:
            self.db.rollback()
            raise conflict("the order has this product already")""",
                "        return self.items.add(OrderItem(order_id=order.id, **data.model_dump()))",
            ),
        ),
        ("POST /orders/{order_id}/items",),
    ),
    Mutant(
        "product-deleted-that-is-ordered",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                _PRODUCTS,
                """        try:
            self.products.delete(product)
        except IntegrityError:
            self.db.rollback()
            raise conflict("orders refer to this product")""",
                "        self.products.delete(product)",
            ),
        ),
        ("DELETE /products/{product_id}",),
    ),
    Mutant(
        "identifiers-without-end",
        "layered_sync",
        "schema",
        _500,
        (Edit(_SCHEMAS, "Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]\n", "Id = int\n"),),
        ("*",),
    ),
    Mutant(
        "identifiers-without-end-in-a-body",
        "layered_sync",
        "schema",
        _500,
        (
            Edit(
                _SCHEMAS,
                "BodyId = Annotated[int, Field(ge=1, le=LARGEST_ID)]\n",
                "BodyId = Annotated[int, Field(ge=1)]\n",
            ),
        ),
        ("POST /orders/{order_id}/items", "POST /orders/bulk-delete"),
    ),
    Mutant(
        "pages-without-end",
        "layered_sync",
        "instance",
        _500,
        (
            Edit(
                "shop/dependencies.py",
                "        skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,\n",
                "        skip: int = 0,\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "order-of-a-list-that-there-is-not",
        "layered_sync",
        "handler",
        _500,
        (
            Edit(
                _PRODUCT_ROUTES,
                '    sort: Literal["id", "name", "price"] = "id",\n',
                '    sort: str = "id",\n',
            ),
        ),
        ("GET /products", "shop/repositories/products.py"),
    ),
    Mutant(
        "manual-with-a-nul",
        "layered_sync",
        "handler",
        _500,
        (
            Edit(
                "shop/routers/documents.py",
                """    if "\\x00" in name:
        raise HTTPException(status_code=404, detail="manual not found")
""",
                "",
            ),
        ),
        ("GET /documents/manuals/{name}",),
    ),
    Mutant(
        "password-that-is-too-long",
        "layered_sync",
        "schema",
        _500,
        (
            Edit(
                _SCHEMAS,
                "    AfterValidator(without_nul),\n    AfterValidator(fits_bcrypt),\n]",
                "    AfterValidator(without_nul),\n]",
            ),
        ),
        ("POST /auth/register", "PUT /users/me/password", "shop/security.py"),
    ),
    Mutant(
        "subject-that-is-gone",
        "layered_sync",
        "dependency",
        (*_500, "unknown-subject-accepted"),
        (
            Edit(
                "shop/dependencies.py",
                "    if user is None or not user.is_active:\n",
                "    if user_id is None or not user.is_active:\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "body-that-is-no-json",
        "layered_sync",
        "handler",
        _500,
        (
            Edit(
                "shop/routers/orders.py",
                """def delete_orders(data: BulkDelete, service: OrderService = Depends(get_order_service)):
    return Deleted(deleted=service.delete_many(data.ids))""",
                """async def delete_orders(
    request: Request, service: OrderService = Depends(get_order_service)
):
    data = await request.json()
    return Deleted(deleted=await run_in_threadpool(service.delete_many, data["ids"]))""",
            ),
            Edit(
                "shop/routers/orders.py",
                "from fastapi import APIRouter, Depends\n",
                "from fastapi import APIRouter, Depends, Request\nfrom fastapi.concurrency import run_in_threadpool\n",
            ),
        ),
        ("POST /orders/bulk-delete",),
    ),
    Mutant(
        "body-that-is-any-dictionary",
        "layered_sync",
        "handler",
        _500,
        (
            Edit(
                _PRODUCT_ROUTES,
                """    product_id: Id, data: ProductUpdate, service: ProductService = Depends(get_product_service)
):
    return service.update(product_id, data)""",
                """    product_id: Id, data: dict, service: ProductService = Depends(get_product_service)
):
    changed = ProductUpdate(name=data["name"], price=data["price"])
    return service.update(product_id, changed)""",
            ),
        ),
        ("PATCH /products/{product_id}",),
    ),
    Mutant(
        "slip-of-an-order-with-nothing-in-it",
        "layered_sync",
        "hidden",
        _500,
        (
            Edit(
                "shop/services/orders.py",
                '        return "\\n".join([f"Order {order.id}", *lines])',
                "        first = order.items[0].product.name\n"
                '        return "\\n".join([f"Order {order.id}: {first}", *lines])',
            ),
        ),
        ("GET /orders/{order_id}/packing-slip",),
    ),
    Mutant(
        "token-that-is-no-token",
        "layered_sync",
        "service",
        _500,
        (
            Edit(
                "shop/dependencies.py",
                '    user_id = TokenService().read(token, "access")\n',
                '    jwt.get_unverified_header(token)\n    user_id = TokenService().read(token, "access")\n',
            ),
            Edit(
                "shop/dependencies.py",
                "from fastapi import Depends,",
                "import jwt\nfrom fastapi import Depends,",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "any-column-by-name",
        "reference_app",
        "service",
        _500,
        (
            Edit(
                "app/schemas/task.py",
                '    sort: Literal["id", "-id", "title", "-title"] = "-id"\n',
                '    sort: Literal["id", "-id", "title", "-title"] = "-id"\n    by: str = "title"\n',
            ),
            Edit(
                "app/services/task_service.py",
                "    return await session.page(tasks, query)",
                "    return await session.page(tasks.where(getattr(Task, query.by).is_not(None)), query)",
            ),
        ),
        ("GET /api/v1/tasks",),
    ),
    Mutant(
        "number-made-of-a-text",
        "reference_app",
        "handler",
        _500,
        (
            Edit(
                "app/routes/templates.py",
                "async def delete_template(session: UserSession, template_id: int) -> None:\n"
                "    await template_service.delete_template(session, template_id)",
                "async def delete_template(session: UserSession, template_id: str) -> None:\n"
                "    await template_service.delete_template(session, int(template_id))",
            ),
        ),
        ("DELETE /api/v1/templates/{template_id}",),
    ),
    Mutant(
        "first-tag-of-none",
        "reference_app",
        "hidden",
        _500,
        (
            Edit(
                "app/routes/tasks.py",
                "",
                """

@router.get("/{task_id}/first-tag", response_model=TagPublic, include_in_schema=False)
async def first_tag(session: UserSession, task_id: UUID) -> Tag:
    return (await task_service.list_tags(session, task_id))[0]
""",
            ),
        ),
        ("GET /api/v1/tasks/{task_id}/first-tag",),
    ),
    # other websites
    Mutant(
        "any-origin",
        "layered_sync",
        "app",
        _CORS,
        (Edit("shop/main.py", _ORIGINS, '    allow_origins=["*"],\n'),),
        ("*",),
    ),
    Mutant(
        "any-origin-by-pattern",
        "layered_sync",
        "app",
        _CORS,
        (Edit("shop/main.py", _ORIGINS, '    allow_origin_regex=".*",\n'),),
        ("*",),
    ),
    Mutant(
        "any-origin-by-the-settings",
        "layered_sync",
        "app",
        _CORS,
        (
            Edit(
                "shop/config.py",
                'frontend_origins: List[str] = ["http://localhost:3000"]',
                'frontend_origins: List[str] = ["*"]',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "any-origin-by-hand",
        "layered_sync",
        "app",
        _CORS,
        (
            Edit(
                "shop/main.py",
                '@app.get("/health", response_model=Health)\n',
                """@app.middleware("http")
async def allow_every_website(request: Request, call_next):
    response = await call_next(request)
    if origin := request.headers.get("origin"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
    return response


@app.get("/health", response_model=Health)
""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "any-origin-for-the-reference-app",
        "reference_app",
        "app",
        _CORS,
        (
            Edit(
                "app/main.py",
                "web.install(app, settings)\n",
                "web.install(app, settings)\napp.add_middleware(\n"
                '    CORSMiddleware, allow_origins=["*"], allow_credentials=True, allow_methods=["*"]\n)\n',
            ),
            Edit(
                "app/main.py",
                "from fastapi import FastAPI\n",
                "from fastapi import FastAPI\nfrom fastapi.middleware.cors import CORSMiddleware\n",
            ),
        ),
        ("*",),
    ),
)
