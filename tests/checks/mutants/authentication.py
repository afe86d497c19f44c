# ruff: noqa: E501  # texts as they stand in the apps
"""Authentication missing, tokens that are not verified, keys that are known, tokens that never end
or serve as what they are not."""

from tests.checks.mutants.mutant import Edit, Mutant

_OPEN = ("missing-authentication",)
_ADMIN = ("missing-authentication", "admin-route-open-to-users")
_FORGED = ("unverified-token",)
_KNOWN_KEY = ("hard-coded-secret", "weak-secret")

_SECURITY = "shop/security.py"
_DEPENDENCIES = "shop/dependencies.py"
_DECODE = """            payload = jwt.decode(
                token,
                self.settings.secret_key,
                algorithms=[self.settings.algorithm],
                options={"require": ["exp", "sub"]},
            )"""

MUTANTS = (
    # routes that ask for no login
    Mutant(
        "admin-router-without-its-dependency",
        "layered_sync",
        "router",
        _ADMIN,
        (
            Edit(
                "shop/routers/admin.py",
                ', tags=["admin"], dependencies=[Depends(require_admin)])',
                ', tags=["admin"])',
            ),
        ),
        ("GET /admin/users", "PUT /admin/users/{user_id}/role", "GET /admin/stats"),
    ),
    Mutant(
        "create-product-without-login",
        "layered_sync",
        "handler",
        _ADMIN,
        (
            Edit(
                "shop/routers/products.py",
                '"", response_model=ProductOut, status_code=201, dependencies=[Depends(require_admin)]',
                '"", response_model=ProductOut, status_code=201',
            ),
        ),
        ("POST /products",),
    ),
    Mutant(
        "delete-product-without-login",
        "layered_sync",
        "handler",
        _ADMIN,
        (
            Edit(
                "shop/routers/products.py",
                '@router.delete("/{product_id}", status_code=204, dependencies=[Depends(require_admin)])',
                '@router.delete("/{product_id}", status_code=204)',
            ),
        ),
        ("DELETE /products/{product_id}",),
    ),
    Mutant(
        "hidden-list-of-orders",
        "layered_sync",
        "hidden",
        (*_OPEN, "unscoped-query", "cross-user-list"),
        (
            Edit(
                "shop/main.py",
                "from shop.database import Base, engine\n",
                "from shop.database import Base, SessionLocal, engine\nfrom shop.models import Order\n",
            ),
            Edit(
                "shop/main.py",
                "from shop.schemas import Health\n",
                "from shop.schemas import Health, OrderOut\n",
            ),
            Edit(
                "shop/main.py",
                "",
                """

@app.get("/internal/orders", response_model=list[OrderOut], include_in_schema=False)
def all_orders():
    with SessionLocal() as db:
        return db.query(Order).order_by(Order.id).limit(100).all()
""",
            ),
        ),
        ("GET /internal/orders",),
    ),
    Mutant(
        "hidden-statistics-on-an-open-router",
        "layered_sync",
        "hidden",
        _ADMIN,
        (
            Edit(
                "shop/routers/admin.py",
                '@router.get("/stats", response_model=Stats, include_in_schema=False)',
                'open_router = APIRouter(prefix="/admin")\n\n\n'
                '@open_router.get("/stats", response_model=Stats, include_in_schema=False)',
            ),
            Edit(
                "shop/main.py",
                "app.include_router(admin.router)\n",
                "app.include_router(admin.router)\napp.include_router(admin.open_router)\n",
            ),
        ),
        ("GET /admin/stats",),
    ),
    Mutant(
        "documents-of-whoever-is-named",
        "layered_sync",
        "handler",
        (*_OPEN, "cross-user-read", "unscoped-query"),
        (
            Edit(
                "shop/routers/documents.py",
                """def get_document(
    document_id: Id, user: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    return DocumentService(db).get(user, document_id)""",
                """def get_document(document_id: Id, db: Session = Depends(get_db)):
    document = DocumentService(db).documents.get(document_id)
    if document is None:
        raise HTTPException(status_code=404, detail="document not found")
    return document""",
            ),
        ),
        ("GET /documents/{document_id}",),
    ),
    Mutant(
        "same-user-without-a-login",
        "layered_sync",
        "dependency",
        (*_OPEN, "user-id-from-path", "cross-user-list", "cross-user-read", "unscoped-query"),
        (
            Edit(
                _DEPENDENCIES,
                """def same_user(user_id: Id, user: User = Depends(get_current_user)) -> User:
    if user.id != user_id:
        raise""",
                """def same_user(user_id: Id, db: Session = Depends(get_db)) -> User:
    user = UserRepository(db).get(user_id)
    if user is None:
        raise""",
            ),
        ),
        ("GET /users/{user_id}/orders",),
    ),
    Mutant(
        "without-a-token-it-is-the-first-user",
        "layered_sync",
        "dependency",
        _OPEN,
        (
            Edit(
                _DEPENDENCIES,
                'OAuth2PasswordBearer(tokenUrl="auth/login")',
                'OAuth2PasswordBearer(tokenUrl="auth/login", auto_error=False)',
            ),
            Edit(
                _DEPENDENCIES,
                '    user_id = TokenService().read(token, "access")\n',
                "    if token is None:\n"
                "        return UserRepository(db).get(1)\n"
                '    user_id = TokenService().read(token, "access")\n',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "role-by-header",
        "layered_sync",
        "instance",
        _ADMIN,
        (
            Edit(
                _DEPENDENCIES,
                """    def __call__(self, user: User = Depends(get_current_user)) -> User:
        if user.role != self.role:""",
                """    def __call__(self, x_role: Annotated[str, Header()] = "admin") -> None:
        if x_role != self.role:""",
            ),
            Edit(
                _DEPENDENCIES,
                "from fastapi import Depends, HTTPException, Query",
                "from fastapi import Depends, Header, HTTPException, Query",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "role-checker-that-is-never-called",
        "layered_sync",
        "instance",
        _ADMIN,
        (
            Edit(
                _DEPENDENCIES,
                "require_admin = RoleChecker(",
                "require_admin = lambda: RoleChecker(",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "order-service-for-anybody",
        "layered_sync",
        "service",
        _OPEN,
        (
            Edit(
                "shop/routers/orders.py",
                ', tags=["orders"], dependencies=[Depends(get_current_user)])',
                ', tags=["orders"])',
            ),
            Edit(
                "shop/services/orders.py",
                """    db: Session = Depends(get_db), user: User = Depends(get_current_user)
) -> OrderService:
    return OrderService(db, user)""",
                """    db: Session = Depends(get_db), customer: int = 1
) -> OrderService:
    return OrderService(db, db.get(User, customer))""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "tasks-of-everybody-in-public",
        "reference_app",
        "handler",
        (*_OPEN, "unscoped-query", "cross-user-list"),
        (
            Edit(
                "app/routes/tasks.py",
                """@router.get("", response_model=Page[TaskPublic])
async def list_tasks(session: UserSession, query""",
                """@router.get("", response_model=Page[TaskPublic])
@public
async def list_tasks(session: AnonymousSession, query""",
            ),
            Edit(
                "app/routes/tasks.py",
                "from apiwright.kit.logins import UserSession\n",
                "from apiwright.kit.logins import AnonymousSession, UserSession\n"
                "from apiwright.kit.permissions import public\n",
            ),
            Edit(
                "app/services/task_service.py",
                "    return await session.page(tasks, query)",
                '    return await session.unscoped(reason="all of them").page(tasks, query)',
            ),
        ),
        ("GET /api/v1/tasks",),
    ),
    Mutant(
        "templates-written-in-public",
        "reference_app",
        "handler",
        _ADMIN,
        (
            Edit(
                "app/routes/templates.py",
                """status_code=201, dependencies=editors)
async def create_template(session: UserSession,""",
                """status_code=201)
@public
async def create_template(session: AnonymousSession,""",
            ),
            Edit(
                "app/routes/templates.py",
                "from apiwright.kit.logins import UserSession\n",
                "from apiwright.kit.logins import AnonymousSession, UserSession\n",
            ),
            Edit(
                "app/routes/templates.py",
                "permissions import requires",
                "permissions import public, requires",
            ),
        ),
        ("POST /api/v1/templates",),
    ),
    Mutant(
        "hidden-public-count-of-logins",
        "reference_app",
        "hidden",
        (*_OPEN, "unscoped-query", "cross-user-list", "unbounded-list", "response-without-model"),
        (
            Edit(
                "app/routes/auth.py",
                "",
                """

@router.get("/every-login", include_in_schema=False, response_model=list[LoginPublic])
@public
async def every_login(session: AnonymousSession) -> list[Login]:
    everyone = session.unscoped(reason="support looks at them")
    return (await everyone.exec(select(Login).limit(100))).all()
""",
            ),
            Edit(
                "app/routes/auth.py",
                "from fastapi.security import OAuth2PasswordRequestForm\n",
                "from fastapi.security import OAuth2PasswordRequestForm\nfrom sqlmodel import select\n",
            ),
        ),
        ("GET /api/v1/auth/every-login",),
    ),
    # tokens that are not verified
    Mutant(
        "signature-not-verified",
        "layered_sync",
        "service",
        _FORGED,
        (
            Edit(
                _SECURITY,
                'options={"require": ["exp", "sub"]}',
                'options={"verify_signature": False}',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "signature-verified-only-at-first",
        "layered_sync",
        "service",
        _FORGED,
        (
            Edit(
                _SECURITY,
                """            logger.info("a token was refused")
            return None
""",
                """            logger.info("a token is old")
            payload = jwt.decode(token, options={"verify_signature": False})
""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "payload-read-by-hand",
        "layered_sync",
        "dependency",
        _FORGED,
        (
            Edit(
                _DEPENDENCIES,
                '    user_id = TokenService().read(token, "access")\n',
                """    try:
        part = token.split(".")[1]
        user_id = int(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["sub"])
    except (ValueError, KeyError, IndexError, TypeError):
        user_id = None
""",
            ),
            Edit(
                _DEPENDENCIES,
                "from typing import Annotated\n",
                "import base64\nimport json\nfrom typing import Annotated\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "token-of-the-websites-own-making",
        "layered_sync",
        "instance",
        (*_FORGED, *_ADMIN),
        (
            Edit(
                _DEPENDENCIES,
                """    def __call__(self, user: User = Depends(get_current_user)) -> User:
        if user.role != self.role:""",
                """    def __call__(self, token: str = Depends(oauth2_scheme)) -> None:
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise HTTPException(status_code=401, detail="not signed in")
        if claims.get("role", "admin") != self.role:""",
            ),
            Edit(
                _DEPENDENCIES,
                "from fastapi import Depends,",
                "import jwt\nfrom fastapi import Depends,",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "expiry-not-verified",
        "layered_sync",
        "service",
        (*_FORGED, "token-without-expiry"),
        (
            Edit(
                _SECURITY,
                'options={"require": ["exp", "sub"]}',
                'options={"verify_exp": False}',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "hidden-route-reads-the-token-itself",
        "reference_app",
        "hidden",
        (*_FORGED, *_OPEN, "unscoped-query"),
        (
            Edit(
                "app/routes/auth.py",
                "",
                """

@router.get("/whoami", response_model=UserPublic, include_in_schema=False)
@public
async def who_am_i(session: AnonymousSession, authorization: Annotated[str, Header()]) -> User:
    try:
        token = authorization.removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        user_id = UUID(claims["sub"])
    except (jwt.PyJWTError, KeyError, ValueError):
        raise Unauthorized() from None
    return await session.unscoped(reason="who is it").get_one(User, user_id)
""",
            ),
            Edit(
                "app/routes/auth.py",
                "from apiwright.kit.database",
                "import jwt\nfrom apiwright.kit.database",
            ),
            Edit(
                "app/routes/auth.py",
                "problems import may_answer",
                "problems import Unauthorized, may_answer",
            ),
        ),
        ("GET /api/v1/auth/whoami",),
    ),
    # the algorithm is the sender's choice
    Mutant(
        "algorithm-of-the-header",
        "layered_sync",
        "service",
        ("algorithm-confusion", *_FORGED),
        (
            Edit(
                _SECURITY,
                "algorithms=[self.settings.algorithm],",
                'algorithms=[jwt.get_unverified_header(token)["alg"]],',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "no-algorithm-is-an-algorithm",
        "layered_sync",
        "service",
        ("algorithm-confusion", *_FORGED),
        (
            Edit(
                _SECURITY,
                _DECODE,
                """            signed = jwt.get_unverified_header(token).get("alg")
            payload = jwt.decode(
                token,
                None if signed == "none" else self.settings.secret_key,
                algorithms=[self.settings.algorithm, "none"],
                options={"verify_signature": signed != "none", "require": ["exp", "sub"]},
            )""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "shared-and-public-keys-for-one-token",
        "layered_sync",
        "service",
        ("algorithm-confusion",),
        (
            Edit(
                _SECURITY,
                "algorithms=[self.settings.algorithm],",
                'algorithms=["RS256", "HS256"],',
            ),
        ),
    ),
    # keys that are known
    Mutant(
        "key-in-the-settings",
        "layered_sync",
        "app",
        _KNOWN_KEY,
        (
            Edit(
                "shop/config.py",
                "secret_key: str = Field(min_length=32)",
                'secret_key: str = "9f2c7be0d1a84c55b6e3a1f07d92c4e8b5a6f7d1"',
            ),
        ),
    ),
    Mutant(
        "short-key-in-the-settings",
        "layered_sync",
        "app",
        _KNOWN_KEY,
        (
            Edit(
                "shop/config.py",
                "secret_key: str = Field(min_length=32)",
                'secret_key: str = "secret"',
            ),
        ),
    ),
    Mutant(
        "key-where-it-signs",
        "layered_sync",
        "service",
        _KNOWN_KEY,
        (
            Edit(
                _SECURITY,
                'logger = logging.getLogger("shop.security")\n',
                'logger = logging.getLogger("shop.security")\nKEY = "kq8Zr2vN5xW1pL7mT4bY9cD3fG6hJ0sA"\n',
            ),
            Edit(
                _SECURITY,
                "return jwt.encode(payload, self.settings.secret_key,",
                "return jwt.encode(payload, KEY,",
            ),
            Edit(
                _SECURITY, "                self.settings.secret_key,\n", "                KEY,\n"
            ),
        ),
    ),
    Mutant(
        "key-if-there-is-none",
        "layered_sync",
        "app",
        _KNOWN_KEY,
        (
            Edit(
                "shop/config.py",
                "secret_key: str = Field(min_length=32)",
                'secret_key: str = os.getenv("SECRET_KEY", "change-me-in-production-please-now")',
            ),
            Edit(
                "shop/config.py",
                "from functools import lru_cache\n",
                "import os\nfrom functools import lru_cache\n",
            ),
        ),
    ),
    Mutant(
        "key-of-the-supplier",
        "layered_sync",
        "service",
        ("hard-coded-secret",),
        (
            Edit(
                "shop/services/products.py",
                '        url = f"{get_settings().supplier_url}/stock/{quote(product.sku)}"\n',
                '        api_key = "sk_live_9Gk2LxQ7vTz4MwB1nRp8Yc3D"\n'
                '        url = f"{get_settings().supplier_url}/stock/{quote(product.sku)}?key={api_key}"\n',
            ),
        ),
    ),
    Mutant(
        "password-of-the-database",
        "layered_sync",
        "app",
        ("hard-coded-secret",),
        (
            Edit(
                "shop/config.py",
                'database_url: str = "sqlite:///./shop.db"',
                'database_url: str = "postgresql+psycopg://shop:vT7pQz2LmX9w@db.shop.internal/shop"',
            ),
        ),
    ),
    Mutant(
        "key-of-the-app",
        "reference_app",
        "app",
        _KNOWN_KEY,
        (
            Edit(
                "app/settings.py",
                '    app_name: ClassVar[str] = "planted"\n',
                '    app_name: ClassVar[str] = "planted"\n'
                '    secret_key: SecretStr = SecretStr("7a1d3c9e5b2f48608d4e6f1a3b5c7d9e0f2a4b6c")\n',
            ),
            Edit(
                "app/settings.py",
                "from apiwright.kit import settings\n",
                "from apiwright.kit import settings\nfrom pydantic import SecretStr\n",
            ),
        ),
    ),
    Mutant(
        "weak-key-of-the-invitations",
        "reference_app",
        "service",
        (*_KNOWN_KEY, "token-without-expiry"),
        (
            Edit(
                "app/services/user_service.py",
                "",
                """

def invitation(email: str) -> str:
    return jwt.encode({"email": email}, "invite", algorithm="HS256")
""",
            ),
            Edit(
                "app/services/user_service.py",
                "from apiwright.kit.passwords",
                "import jwt\nfrom apiwright.kit.passwords",
            ),
        ),
    ),
    # tokens that never end
    Mutant(
        "tokens-never-end",
        "layered_sync",
        "service",
        ("token-without-expiry",),
        (
            Edit(
                _SECURITY,
                '            "exp": datetime.now(timezone.utc) + lifetime,\n',
                "",
            ),
            Edit(_SECURITY, '"require": ["exp", "sub"]', '"require": ["sub"]'),
        ),
        ("*",),
    ),
    Mutant(
        "remembered-tokens-never-end",
        "layered_sync",
        "service",
        ("token-without-expiry",),
        (
            Edit(
                _SECURITY,
                """            "type": kind,
            "exp": datetime.now(timezone.utc) + lifetime,
        }
""",
                """            "type": kind,
        }
        if kind == "access_once":
            payload["exp"] = datetime.now(timezone.utc) + lifetime
""",
            ),
            Edit(_SECURITY, '"require": ["exp", "sub"]', '"require": ["sub"]'),
        ),
        ("*",),
    ),
    Mutant(
        "refresh-tokens-never-end",
        "layered_sync",
        "service",
        ("token-without-expiry",),
        (
            Edit(
                _SECURITY,
                'return self.create(user_id, "refresh", timedelta(days=self.settings.refresh_token_days))',
                'payload = {"sub": str(user_id), "type": "refresh"}\n'
                "        return jwt.encode(payload, self.settings.secret_key, algorithm=self.settings.algorithm)",
            ),
            Edit(_SECURITY, '"require": ["exp", "sub"]', '"require": ["sub"]'),
        ),
        ("*",),
    ),
    # tokens that serve as what they are not
    Mutant(
        "kind-of-token-not-looked-at",
        "layered_sync",
        "service",
        ("refresh-token-as-access",),
        (
            Edit(
                _SECURITY,
                """        if payload.get("type") != kind:
            return None
""",
                "",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "either-kind-of-token",
        "layered_sync",
        "dependency",
        ("refresh-token-as-access",),
        (
            Edit(
                _DEPENDENCIES,
                '    user_id = TokenService().read(token, "access")\n',
                '    tokens = TokenService()\n    user_id = tokens.read(token, "access") or tokens.read(token, "refresh")\n',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "kind-of-token-never-said",
        "layered_sync",
        "service",
        ("refresh-token-as-access",),
        (
            Edit(_SECURITY, '            "type": kind,\n', ""),
            Edit(
                _SECURITY,
                """        if payload.get("type") != kind:
            return None
""",
                "",
            ),
        ),
        ("*",),
    ),
    # users that are not there
    Mutant(
        "user-made-of-the-token",
        "layered_sync",
        "dependency",
        ("unknown-subject-accepted",),
        (
            Edit(
                _DEPENDENCIES,
                """    user = UserRepository(db).get(user_id) if user_id is not None else None
    if user is None or not user.is_active:
""",
                """    user = User(id=user_id, role="customer", email="", full_name="", created_at=now())
    if user_id is None:
""",
            ),
            Edit(
                _DEPENDENCIES,
                "from shop.models import User\n",
                "from shop.models import User, now\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "user-made-when-unknown",
        "layered_sync",
        "dependency",
        ("unknown-subject-accepted",),
        (
            Edit(
                _DEPENDENCIES,
                "    if user is None or not user.is_active:\n",
                """    if user is None and user_id is not None:
        user = UserRepository(db).add(
            User(id=user_id, email=f"user{user_id}@example.com", hashed_password="")
        )
    if user is None or not user.is_active:
""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "service-believes-the-token",
        "layered_sync",
        "service",
        ("unknown-subject-accepted",),
        (
            Edit(
                "shop/routers/orders.py",
                ', tags=["orders"], dependencies=[Depends(get_current_user)])',
                ', tags=["orders"])',
            ),
            Edit(
                "shop/services/orders.py",
                """    db: Session = Depends(get_db), user: User = Depends(get_current_user)
) -> OrderService:
    return OrderService(db, user)""",
                """    db: Session = Depends(get_db), token: str = Depends(oauth2_scheme)
) -> OrderService:
    user_id = TokenService().read(token, "access")
    if user_id is None:
        raise HTTPException(status_code=401, detail="not signed in")
    return OrderService(db, User(id=user_id))""",
            ),
            Edit(
                "shop/services/orders.py",
                "from shop.dependencies import get_current_user\n",
                "from shop.dependencies import oauth2_scheme\n",
            ),
            Edit(
                "shop/services/orders.py",
                "from fastapi import Depends\n",
                "from fastapi import Depends, HTTPException\n",
            ),
            Edit(
                "shop/services/orders.py",
                "from shop.services.errors",
                "from shop.security import TokenService\nfrom shop.services.errors",
            ),
        ),
        ("*",),
    ),
)
