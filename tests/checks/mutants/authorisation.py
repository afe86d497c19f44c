# ruff: noqa: E501  # texts as they stand in the apps
"""What is another user's is read, listed or changed; users do what admins do; who may do what, or
whose it is, is taken from the client."""

from tests.checks.mutants.mutant import Edit, Mutant

_READ = ("cross-user-read", "unscoped-query")
_LIST = ("cross-user-list", "unscoped-query")
_WRITE = ("cross-user-write", "unscoped-query")
_ANY = ("cross-user-read", "cross-user-list", "cross-user-write", "unscoped-query")
_ADMIN = ("admin-route-open-to-users", "cross-user-write")
_MASS = ("mass-assignment",)

_ORDERS = "shop/repositories/orders.py"
_ORDER_SERVICE = "shop/services/orders.py"
_ORDER_ROUTES = "shop/routers/orders.py"
_DEPENDENCIES = "shop/dependencies.py"
_SCHEMAS = "shop/schemas.py"
_TASKS = "app/services/task_service.py"
_ONE_ORDER = (
    "GET /orders/{order_id}",
    "PATCH /orders/{order_id}",
    "DELETE /orders/{order_id}",
    "GET /orders/{order_id}/items",
    "POST /orders/{order_id}/items",
    "DELETE /orders/{order_id}/items/{item_id}",
    "GET /orders/{order_id}/packing-slip",
)

MUTANTS = (
    # read
    Mutant(
        "orders-of-any-customer",
        "layered_sync",
        "repository",
        _ANY,
        (
            Edit(
                _ORDERS,
                "Order.id == order_id, Order.customer_id == customer_id",
                "Order.id == order_id",
            ),
        ),
        _ONE_ORDER,
    ),
    Mutant(
        "order-fetched-by-id-alone",
        "layered_sync",
        "service",
        _ANY,
        (
            Edit(
                _ORDER_SERVICE,
                "order = self.orders.of_customer(order_id, self.customer.id)",
                "order = self.orders.get(order_id)",
            ),
        ),
        (*_ONE_ORDER, "shop/repositories/base.py"),
    ),
    Mutant(
        "own-order-that-need-not-be",
        "layered_sync",
        "dependency",
        _ANY,
        (
            Edit(
                _ORDER_ROUTES,
                """def own_order(order_id: Id, service: OrderService = Depends(get_order_service)) -> Order:
    return service.get(order_id)
""",
                """def own_order(order_id: Id, db: Session = Depends(get_db)) -> Order:
    order = db.get(Order, order_id)
    if order is None:
        raise HTTPException(status_code=404, detail="order not found")
    return order
""",
            ),
            Edit(
                _ORDER_ROUTES,
                "import APIRouter, Depends\n",
                "import APIRouter, Depends, HTTPException\n",
            ),
            Edit(
                _ORDER_ROUTES,
                "from shop.dependencies import Paging",
                "from sqlalchemy.orm import Session\n\nfrom shop.database import get_db\nfrom shop.dependencies import Paging",
            ),
        ),
        _ONE_ORDER,
    ),
    Mutant(
        "class-that-loads-any-order",
        "layered_sync",
        "instance",
        _ANY,
        (
            Edit(
                _ORDER_ROUTES,
                """def own_order(order_id: Id, service: OrderService = Depends(get_order_service)) -> Order:
    return service.get(order_id)
""",
                """class Loaded:
    def __call__(
        self, order_id: Id, service: OrderService = Depends(get_order_service)
    ) -> Order:
        order = service.orders.get(order_id)
        if order is None:
            raise not_found("order")
        return order


own_order = Loaded()
""",
            ),
            Edit(
                _ORDER_ROUTES,
                "from shop.services.orders import",
                "from shop.services.errors import not_found\nfrom shop.services.orders import",
            ),
        ),
        _ONE_ORDER,
    ),
    Mutant(
        "hidden-slip-of-any-order",
        "layered_sync",
        "hidden",
        _READ,
        (
            Edit(
                _ORDER_SERVICE,
                """    def packing_slip(self, order_id: int) -> str:
        order = self.get(order_id)
""",
                """    def packing_slip(self, order_id: int) -> str:
        order = self.orders.get(order_id)
        if order is None:
            raise not_found("order")
""",
            ),
        ),
        ("GET /orders/{order_id}/packing-slip",),
    ),
    Mutant(
        "document-of-any-owner",
        "layered_sync",
        "repository",
        _ANY,
        (
            Edit(
                "shop/repositories/documents.py",
                "if document is None or document.owner_id != owner_id:",
                "if document is None:",
            ),
        ),
        (
            "GET /documents/{document_id}",
            "GET /documents/{document_id}/file",
            "DELETE /documents/{document_id}",
        ),
    ),
    Mutant(
        "file-of-any-owner",
        "layered_sync",
        "handler",
        _READ,
        (
            Edit(
                "shop/routers/documents.py",
                """    document = service.get(user, document_id)
    return FileResponse""",
                """    document = service.documents.get(document_id)
    if document is None:
        raise HTTPException(status_code=404, detail="document not found")
    return FileResponse""",
            ),
        ),
        ("GET /documents/{document_id}/file",),
    ),
    Mutant(
        "items-of-any-order",
        "layered_sync",
        "handler",
        (*_READ, "cross-user-list"),
        (
            Edit(
                _ORDER_ROUTES,
                """    order: Order = Depends(own_order),
    paging: Paging = Depends(),
    service: OrderService = Depends(get_order_service),
):
    return service.items.of_order(order.id, paging.limit)""",
                """    order_id: Id,
    paging: Paging = Depends(),
    service: OrderService = Depends(get_order_service),
):
    return service.items.of_order(order_id, paging.limit)""",
            ),
        ),
        ("GET /orders/{order_id}/items",),
    ),
    Mutant(
        "user-of-the-path-is-believed",
        "layered_sync",
        "dependency",
        ("user-id-from-path", *_READ, "cross-user-list"),
        (
            Edit(
                _DEPENDENCIES,
                """    if user.id != user_id:
        raise HTTPException(status_code=404, detail="user not found")
    return user
""",
                """    return User(id=user_id)
""",
            ),
        ),
        ("GET /users/{user_id}/orders",),
    ),
    Mutant(
        "user-of-the-path-in-the-handler",
        "layered_sync",
        "handler",
        ("user-id-from-path", *_READ, "cross-user-list"),
        (
            Edit(
                "shop/routers/users.py",
                """    user: User = Depends(same_user), paging: Paging = Depends(), db: Session = Depends(get_db)
):
    return OrderRepository(db).page(user.id, paging.skip, paging.limit)""",
                """    user_id: int,
    user: User = Depends(get_current_user),
    paging: Paging = Depends(),
    db: Session = Depends(get_db),
):
    return OrderRepository(db).page(user_id, paging.skip, paging.limit)""",
            ),
        ),
        ("GET /users/{user_id}/orders",),
    ),
    Mutant(
        "profile-of-the-user-in-the-path",
        "layered_sync",
        "handler",
        ("user-id-from-path", *_ANY, "private-field-in-response"),
        (
            Edit(
                "shop/routers/users.py",
                '@router.patch("/me", response_model=UserOut)\n',
                """@router.patch("/{user_id}/profile", response_model=UserOut)
def update_profile(
    user_id: Id,
    data: UserUpdate,
    user: User = Depends(get_current_user),
    db: Session = Depends(get_db),
):
    changed = db.get(User, user_id)
    if changed is None:
        raise not_found("user")
    return AuthService(db).update(changed, data)


@router.patch("/me", response_model=UserOut)
""",
            ),
            Edit("shop/routers/users.py", "import OrderOut, ", "import Id, OrderOut, "),
            Edit(
                "shop/routers/users.py",
                "from shop.services.auth import AuthService\n",
                "from shop.services.auth import AuthService\nfrom shop.services.errors import not_found\n",
            ),
        ),
        ("PATCH /users/{user_id}/profile",),
    ),
    # lists and searches
    Mutant(
        "list-of-everybodys-orders",
        "layered_sync",
        "repository",
        _LIST,
        (
            Edit(
                _ORDERS,
                "        query = select(Order).where(Order.customer_id == customer_id)\n",
                "        query = select(Order)\n",
            ),
        ),
        ("GET /orders", "GET /users/{user_id}/orders"),
    ),
    Mutant(
        "search-in-everybodys-orders",
        "layered_sync",
        "repository",
        _LIST,
        (
            Edit(
                _ORDERS,
                "self.db.query(Order).filter(Order.customer_id == customer_id)",
                "self.db.query(Order)",
            ),
        ),
        ("GET /orders/search",),
    ),
    Mutant(
        "search-finds-mine-or-whatever-fits",
        "layered_sync",
        "repository",
        _LIST,
        (
            Edit(
                _ORDERS,
                """        query = self.db.query(Order).filter(Order.customer_id == customer_id)
        query = query.filter(Order.note.contains(words, autoescape=True))
""",
                """        fits = Order.note.contains(words, autoescape=True)
        query = self.db.query(Order).filter((Order.customer_id == customer_id) | fits)
""",
            ),
        ),
        ("GET /orders/search",),
    ),
    Mutant(
        "list-of-everybodys-documents",
        "layered_sync",
        "repository",
        _LIST,
        (
            Edit(
                "shop/repositories/documents.py",
                "select(Document).where(Document.owner_id == owner_id)",
                "select(Document)",
            ),
        ),
        ("GET /documents",),
    ),
    Mutant(
        "customer-in-the-query",
        "layered_sync",
        "handler",
        (*_LIST, "user-id-from-path"),
        (
            Edit(
                _ORDER_ROUTES,
                """def list_orders(paging: Paging = Depends(), service: OrderService = Depends(get_order_service)):
    return service.page(paging.skip, paging.limit)""",
                """def list_orders(
    customer_id: Optional[int] = None,
    paging: Paging = Depends(),
    service: OrderService = Depends(get_order_service),
):
    customer_id = customer_id or service.customer.id
    return service.orders.page(customer_id, paging.skip, paging.limit)""",
            ),
            Edit(_ORDER_ROUTES, "from typing import List\n", "from typing import List, Optional\n"),
        ),
        ("GET /orders",),
    ),
    # changed
    Mutant(
        "order-of-any-customer-updated",
        "layered_sync",
        "service",
        (*_WRITE, "cross-user-read"),
        (
            Edit(
                _ORDER_SERVICE,
                """    def update(self, order_id: int, data: OrderUpdate) -> Order:
        order = self.get(order_id)
""",
                """    def update(self, order_id: int, data: OrderUpdate) -> Order:
        order = self.orders.get(order_id)
        if order is None:
            raise not_found("order")
""",
            ),
        ),
        ("PATCH /orders/{order_id}",),
    ),
    Mutant(
        "order-of-any-customer-deleted",
        "layered_sync",
        "service",
        _WRITE,
        (
            Edit(
                _ORDER_SERVICE,
                """    def delete(self, order_id: int) -> None:
        order = self.get(order_id)
""",
                """    def delete(self, order_id: int) -> None:
        order = self.orders.get(order_id)
        if order is None:
            raise not_found("order")
""",
            ),
        ),
        ("DELETE /orders/{order_id}",),
    ),
    Mutant(
        "everybodys-orders-deleted-at-once",
        "layered_sync",
        "repository",
        _WRITE,
        (
            Edit(
                _ORDERS,
                "select(Order.id).where(Order.id.in_(ids), Order.customer_id == customer_id)",
                "select(Order.id).where(Order.id.in_(ids))",
            ),
        ),
        ("POST /orders/bulk-delete",),
    ),
    Mutant(
        "document-deleted-by-anybody",
        "layered_sync",
        "service",
        _WRITE,
        (
            Edit(
                "shop/services/documents.py",
                """        document = self.get(user, document_id)
        (self.folder""",
                """        document = self.documents.get(document_id)
        if document is None:
            raise not_found("document")
        (self.folder""",
            ),
        ),
        ("DELETE /documents/{document_id}",),
    ),
    Mutant(
        "item-of-another-order-removed",
        "layered_sync",
        "repository",
        _WRITE,
        (
            Edit(
                _ORDERS,
                "OrderItem.id == item_id, OrderItem.order_id == order_id",
                "OrderItem.id == item_id",
            ),
        ),
        ("DELETE /orders/{order_id}/items/{item_id}",),
    ),
    Mutant(
        "items-put-into-anybodys-order",
        "layered_sync",
        "handler",
        _WRITE,
        (
            Edit(
                _ORDER_ROUTES,
                """    data: ItemCreate,
    order: Order = Depends(own_order),
    service: OrderService = Depends(get_order_service),
):
    return service.add_item(order, data)""",
                """    order_id: Id,
    data: ItemCreate,
    service: OrderService = Depends(get_order_service),
):
    order = service.orders.get(order_id)
    if order is None:
        raise not_found("order")
    return service.add_item(order, data)""",
            ),
            Edit(
                _ORDER_ROUTES,
                "from shop.services.orders import",
                "from shop.services.errors import not_found\nfrom shop.services.orders import",
            ),
        ),
        ("POST /orders/{order_id}/items",),
    ),
    Mutant(
        "item-put-into-the-order-of-the-body",
        "layered_sync",
        "schema",
        (*_WRITE, *_MASS),
        (
            Edit(
                _SCHEMAS,
                "class ItemCreate(BaseModel):\n",
                "class ItemCreate(BaseModel):\n    order_id: Optional[BodyId] = None\n",
            ),
            Edit(
                _ORDER_SERVICE,
                "return self.items.add(OrderItem(order_id=order.id, **data.model_dump()))",
                'values = {"order_id": order.id, **data.model_dump(exclude_none=True)}\n'
                "            return self.items.add(OrderItem(**values))",
            ),
        ),
        ("POST /orders/{order_id}/items",),
    ),
    Mutant(
        "things-of-nobody-in-particular",
        "layered_sync",
        "model",
        (*_ANY, "missing-index"),
        (
            Edit(
                "shop/models.py",
                "",
                """

class Review(Base):
    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(500))
""",
            ),
            Edit(
                _SCHEMAS,
                "class Health(BaseModel):\n",
                """class ReviewIn(BaseModel):
    text: Note


class ReviewOut(Out):
    id: int
    text: str


class Health(BaseModel):
""",
            ),
            Edit(
                "shop/routers/users.py",
                "",
                """

@router.post("/reviews", response_model=ReviewOut, status_code=201)
def write_review(
    data: ReviewIn, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    return ReviewRepository(db).add(Review(text=data.text))


@router.put("/reviews/{review_id}", response_model=ReviewOut)
def change_review(
    review_id: Id,
    data: ReviewIn,
    user: User = Depends(get_current_user),
    db: Session = Depends(get_db),
):
    reviews = ReviewRepository(db)
    review = reviews.get(review_id)
    if review is None:
        raise HTTPException(status_code=404, detail="review not found")
    return reviews.update(review, data.model_dump())
""",
            ),
            Edit(
                "shop/routers/users.py",
                "from shop.models import User\n",
                "from shop.models import Review, User\nfrom shop.repositories.base import Repository\n",
            ),
            Edit(
                "shop/routers/users.py",
                "import APIRouter, Depends\n",
                "import APIRouter, Depends, HTTPException\n",
            ),
            Edit(
                "shop/routers/users.py",
                "import OrderOut, PasswordChange, UserOut, UserUpdate\n",
                "import Id, OrderOut, PasswordChange, ReviewIn, ReviewOut, UserOut, UserUpdate\n",
            ),
            Edit(
                "shop/routers/users.py",
                'router = APIRouter(prefix="/users", tags=["users"])\n',
                """router = APIRouter(prefix="/users", tags=["users"])


class ReviewRepository(Repository[Review]):
    model = Review
""",
            ),
        ),
        ("PUT /users/reviews/{review_id}",),
    ),
    # the reference app
    Mutant(
        "task-of-anybody",
        "reference_app",
        "service",
        _READ,
        (
            Edit(
                _TASKS,
                """async def get_task(session: Session, task_id: UUID) -> Task:
    return await session.get_one(Task, task_id)""",
                """async def get_task(session: Session, task_id: UUID) -> Task:
    return await session.unscoped(reason="links are shared").get_one(Task, task_id)""",
            ),
        ),
        ("GET /api/v1/tasks/{task_id}",),
    ),
    Mutant(
        "tasks-of-everybody",
        "reference_app",
        "service",
        _LIST,
        (
            Edit(
                _TASKS,
                "    return await session.page(tasks, query)",
                '    return await session.unscoped(reason="all of them").page(tasks, query)',
            ),
        ),
        ("GET /api/v1/tasks",),
    ),
    Mutant(
        "task-of-anybody-updated",
        "reference_app",
        "service",
        (*_WRITE, "cross-user-read"),
        (
            Edit(
                _TASKS,
                """    task = await session.get_one(Task, task_id)
    task.sqlmodel_update(data.model_dump(exclude_unset=True))
    return await session.add(task)""",
                """    everyone = session.unscoped(reason="teams work together")
    task = await everyone.get_one(Task, task_id)
    task.sqlmodel_update(data.model_dump(exclude_unset=True))
    return await everyone.add(task)""",
            ),
        ),
        ("PATCH /api/v1/tasks/{task_id}",),
    ),
    Mutant(
        "task-of-anybody-deleted",
        "reference_app",
        "service",
        _WRITE,
        (
            Edit(
                _TASKS,
                """    task = await session.get_one(Task, task_id)
    await session.delete(task)""",
                """    everyone = session.unscoped(reason="teams work together")
    task = await everyone.get_one(Task, task_id)
    await everyone.delete(task)""",
            ),
        ),
        ("DELETE /api/v1/tasks/{task_id}",),
    ),
    Mutant(
        "tags-of-anybodys-task",
        "reference_app",
        "service",
        (*_READ, "cross-user-list"),
        (
            Edit(
                _TASKS,
                """    await session.get_one(Task, task_id)
    tags = select(Tag).join(TaskTag).where(TaskTag.task_id == task_id).order_by(Tag.name)
    return (await session.exec(tags)).all()""",
                """    everyone = session.unscoped(reason="the links are not the user's")
    tags = select(Tag).join(TaskTag).where(TaskTag.task_id == task_id).order_by(Tag.name)
    return (await everyone.exec(tags)).all()""",
            ),
        ),
        ("GET /api/v1/tasks/{task_id}/tags",),
    ),
    Mutant(
        "project-of-anybody-on-a-hidden-route",
        "reference_app",
        "hidden",
        _READ,
        (
            Edit(
                "app/routes/projects.py",
                "",
                """

@router.get("/{project_id}/summary", response_model=ProjectPublic, include_in_schema=False)
async def summary(session: UserSession, project_id: UUID) -> Project:
    return await session.unscoped(reason="for the widget").get_one(Project, project_id)
""",
            ),
        ),
        ("GET /api/v1/projects/{project_id}/summary",),
    ),
    Mutant(
        "login-of-anybody-ended",
        "reference_app",
        "service",
        _WRITE,
        (
            Edit(
                "app/services/login_service.py",
                """    login = await session.get_one(Login, login_id)
    await session.delete(login)""",
                """    everyone = session.unscoped(reason="logins end at once")
    login = await everyone.get_one(Login, login_id)
    await everyone.delete(login)""",
            ),
        ),
        ("DELETE /api/v1/auth/logins/{login_id}",),
    ),
    # what admins do
    Mutant(
        "admin-router-for-anybody-signed-in",
        "layered_sync",
        "router",
        (
            *_ADMIN,
            "cross-user-list",
            "private-field-in-response",
            "mass-assignment",
            "unscoped-query",
        ),
        (
            Edit(
                "shop/routers/admin.py",
                ', tags=["admin"], dependencies=[Depends(require_admin)])',
                ', tags=["admin"], dependencies=[Depends(get_current_user)])',
            ),
            Edit(
                "shop/routers/admin.py",
                "from shop.dependencies import Paging, require_admin\n",
                "from shop.dependencies import Paging, get_current_user\n",
            ),
        ),
        ("GET /admin/users", "PUT /admin/users/{user_id}/role", "GET /admin/stats"),
    ),
    Mutant(
        "role-that-is-not-compared",
        "layered_sync",
        "instance",
        (
            *_ADMIN,
            "cross-user-list",
            "private-field-in-response",
            "mass-assignment",
            "unscoped-query",
        ),
        (Edit(_DEPENDENCIES, "if user.role != self.role:", "if not user.role:"),),
        ("*",),
    ),
    Mutant(
        "every-role-is-enough",
        "layered_sync",
        "instance",
        (
            *_ADMIN,
            "cross-user-list",
            "private-field-in-response",
            "mass-assignment",
            "unscoped-query",
        ),
        (
            Edit(
                _DEPENDENCIES,
                "if user.role != self.role:",
                'if user.role not in ("customer", self.role):',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "role-set-by-anybody-signed-in",
        "layered_sync",
        "handler",
        (
            *_ADMIN,
            *_MASS,
            "user-id-from-path",
            "unscoped-query",
            "private-field-in-response",
            "cross-user-read",
        ),
        (
            Edit(
                "shop/routers/users.py",
                "",
                """

@router.put("/{user_id}/role", response_model=UserOut)
def set_role(
    user_id: Id,
    data: RoleUpdate,
    user: User = Depends(get_current_user),
    db: Session = Depends(get_db),
):
    return AuthService(db).set_role(user_id, data.role)
""",
            ),
            Edit(
                "shop/routers/users.py",
                "import OrderOut, PasswordChange, ",
                "import Id, OrderOut, PasswordChange, RoleUpdate, ",
            ),
        ),
        ("PUT /users/{user_id}/role",),
    ),
    Mutant(
        "catalogue-deleted-by-anybody-signed-in",
        "layered_sync",
        "handler",
        _ADMIN,
        (
            Edit(
                "shop/routers/products.py",
                '@router.delete("/{product_id}", status_code=204, dependencies=[Depends(require_admin)])',
                '@router.delete("/{product_id}", status_code=204, dependencies=[Depends(get_current_user)])',
            ),
            Edit(
                "shop/routers/products.py",
                "import Paging, require_admin",
                "import Paging, get_current_user, require_admin",
            ),
        ),
        ("DELETE /products/{product_id}",),
    ),
    Mutant(
        "catalogue-written-by-anybody-signed-in",
        "layered_sync",
        "handler",
        _ADMIN,
        (
            Edit(
                "shop/routers/products.py",
                '"/{product_id}", response_model=ProductOut, dependencies=[Depends(require_admin)]',
                '"/{product_id}", response_model=ProductOut, dependencies=[Depends(get_current_user)]',
            ),
            Edit(
                "shop/routers/products.py",
                "import Paging, require_admin",
                "import Paging, get_current_user, require_admin",
            ),
        ),
        ("PATCH /products/{product_id}",),
    ),
    Mutant(
        "hidden-statistics-for-anybody-signed-in",
        "layered_sync",
        "hidden",
        (*_ADMIN, "unscoped-query"),
        (
            Edit(
                "shop/routers/admin.py",
                '@router.get("/stats", response_model=Stats, include_in_schema=False)',
                'user_router = APIRouter(prefix="/admin", dependencies=[Depends(get_current_user)])\n\n\n'
                '@user_router.get("/stats", response_model=Stats, include_in_schema=False)',
            ),
            Edit(
                "shop/routers/admin.py",
                "import Paging, require_admin",
                "import Paging, get_current_user, require_admin",
            ),
            Edit(
                "shop/main.py",
                "app.include_router(admin.router)\n",
                "app.include_router(admin.router)\napp.include_router(admin.user_router)\n",
            ),
        ),
        ("GET /admin/stats",),
    ),
    Mutant(
        "templates-written-by-anybody-signed-in",
        "reference_app",
        "handler",
        _ADMIN,
        (
            Edit(
                "app/routes/templates.py",
                '"", response_model=TemplatePublic, status_code=201, dependencies=editors',
                '"", response_model=TemplatePublic, status_code=201',
            ),
        ),
        ("POST /api/v1/templates",),
    ),
    Mutant(
        "templates-deleted-by-anybody-signed-in",
        "reference_app",
        "handler",
        _ADMIN,
        (
            Edit(
                "app/routes/templates.py",
                '@router.delete("/{template_id}", status_code=204, dependencies=editors)',
                '@router.delete("/{template_id}", status_code=204)',
            ),
        ),
        ("DELETE /api/v1/templates/{template_id}",),
    ),
    Mutant(
        "members-edit-the-catalogue",
        "reference_app",
        "app",
        _ADMIN,
        (
            Edit(
                "app/permissions.py",
                "Role.MEMBER: frozenset(),",
                "Role.MEMBER: frozenset({Permission.EDIT_CATALOGUE}),",
            ),
        ),
        ("POST /api/v1/templates", "DELETE /api/v1/templates/{template_id}"),
    ),
    # taken from the client
    Mutant(
        "role-at-registration",
        "layered_sync",
        "service",
        _MASS,
        (
            Edit(
                _SCHEMAS,
                "class UserCreate(BaseModel):\n",
                'class UserCreate(BaseModel):\n    role: Literal["customer", "admin"] = "customer"\n',
            ),
            Edit(
                "shop/services/auth.py",
                "            full_name=data.full_name,\n",
                "            full_name=data.full_name,\n            role=data.role,\n",
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "role-in-the-profile",
        "layered_sync",
        "schema",
        _MASS,
        (
            Edit(
                _SCHEMAS,
                "class UserUpdate(BaseModel):\n",
                'class UserUpdate(BaseModel):\n    role: Literal["customer", "admin"] = "customer"\n',
            ),
        ),
        ("PATCH /users/me",),
    ),
    Mutant(
        "profile-takes-whatever-comes",
        "layered_sync",
        "schema",
        (*_MASS, "server-error-for-client-mistake"),
        (
            Edit(
                _SCHEMAS,
                "class UserUpdate(BaseModel):\n",
                'class UserUpdate(BaseModel):\n    model_config = ConfigDict(extra="allow")\n\n',
            ),
        ),
        ("PATCH /users/me",),
    ),
    Mutant(
        "registration-takes-whatever-comes",
        "layered_sync",
        "service",
        (*_MASS, "server-error-for-client-mistake"),
        (
            Edit(
                _SCHEMAS,
                "class UserCreate(BaseModel):\n",
                'class UserCreate(BaseModel):\n    model_config = ConfigDict(extra="allow")\n\n',
            ),
            Edit(
                "shop/services/auth.py",
                "            hashed_password=password_hasher.hash(data.password),\n",
                "            hashed_password=password_hasher.hash(data.password),\n            **data.model_extra,\n",
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "customer-of-a-new-order",
        "layered_sync",
        "service",
        (*_MASS, "cross-user-write"),
        (
            Edit(
                _SCHEMAS,
                "class OrderCreate(BaseModel):\n",
                "class OrderCreate(BaseModel):\n    customer_id: Optional[BodyId] = None\n",
            ),
            Edit(
                _ORDER_SERVICE,
                "Order(customer_id=self.customer.id, note=data.note)",
                "Order(customer_id=data.customer_id or self.customer.id, note=data.note)",
            ),
        ),
        ("POST /orders",),
    ),
    Mutant(
        "customer-of-an-order-changed",
        "layered_sync",
        "schema",
        (*_MASS, "cross-user-write"),
        (
            Edit(
                _SCHEMAS,
                "class OrderUpdate(BaseModel):\n",
                "class OrderUpdate(BaseModel):\n    customer_id: BodyId = None\n",
            ),
        ),
        ("PATCH /orders/{order_id}",),
    ),
    Mutant(
        "owner-of-a-document-in-the-form",
        "layered_sync",
        "handler",
        (*_MASS, "cross-user-write"),
        (
            Edit(
                "shop/routers/documents.py",
                "    title: Annotated[Name, Form()],\n",
                "    title: Annotated[Name, Form()],\n    owner_id: Annotated[Optional[int], Form()] = None,\n",
            ),
            Edit(
                "shop/routers/documents.py",
                "    file: UploadFile,\n",
                "    file: UploadFile = File(),\n",
            ),
            Edit("shop/routers/documents.py", "Depends, Form, HTTP", "Depends, File, Form, HTTP"),
            Edit("shop/routers/documents.py", "Annotated, List\n", "Annotated, List, Optional\n"),
            Edit(
                "shop/routers/documents.py",
                "run_in_threadpool(DocumentService(db).save, user, title, contents)",
                "run_in_threadpool(\n"
                "        DocumentService(db).save, User(id=owner_id or user.id), title, contents\n"
                "    )",
            ),
        ),
        ("POST /documents",),
    ),
    Mutant(
        "role-of-a-new-account",
        "reference_app",
        "service",
        _MASS,
        (
            Edit(
                "app/schemas/user.py",
                "    password: NewPassword\n\n\nclass UserPublic",
                "    password: NewPassword\n    role: Role = Role.MEMBER\n\n\nclass UserPublic",
            ),
            Edit(
                "app/services/user_service.py",
                "password_hash=password_hash))",
                "password_hash=password_hash, role=data.role))",
            ),
        ),
        ("POST /api/v1/auth/register",),
    ),
    Mutant(
        "owner-of-a-new-project",
        "reference_app",
        "service",
        (*_MASS, "cross-user-write", "unscoped-query"),
        (
            Edit(
                "app/schemas/project.py",
                "class ProjectCreate(BaseModel):\n    name: Name\n",
                "class ProjectCreate(BaseModel):\n    name: Name\n    owner_id: UUID | None = None\n",
            ),
            Edit(
                "app/services/project_service.py",
                "    return await session.add(Project(**data.model_dump()))",
                """    everyone = session.unscoped(reason="made for somebody else")
    values = {"owner_id": session.user_id, **data.model_dump(exclude_none=True)}
    return await everyone.add(Project(**values))""",
            ),
        ),
        ("POST /api/v1/projects",),
    ),
)
