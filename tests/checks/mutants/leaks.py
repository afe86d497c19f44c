# ruff: noqa: E501  # texts as they stand in the apps
"""Secrets and other people's fields in answers, the inside of the app in errors, passwords in logs
and badly kept."""

from tests.checks.mutants.mutant import Edit, Mutant

_SECRET = ("secret-in-response",)
_RAW = ("raw-error-to-client",)
_LOGGED = ("secret-in-logs",)
_WEAK = ("weak-password-hash",)
_PLAIN = ("plain-password-stored",)

_SCHEMAS = "shop/schemas.py"
_AUTH = "shop/services/auth.py"
_SECURITY = "shop/security.py"
_USERS = "app/services/user_service.py"
_HASH = """    def hash(self, password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(self.rounds)).decode()
"""
_VERIFY = """        try:
            right = bcrypt.checkpw(password.encode(), (hashed or self.nobody).encode())
        except ValueError:
            return False
        return right and hashed is not None
"""
_IMPORT_HASHLIB = Edit(_SECURITY, "import logging\n", "import hashlib\nimport logging\n")


def _hashed(expression: str) -> tuple[Edit, ...]:
    """Passwords kept as what this makes of `password`."""
    return (
        _IMPORT_HASHLIB,
        Edit(
            _SECURITY,
            _HASH,
            f"    def hash(self, password: str) -> str:\n        return {expression}\n",
        ),
        Edit(_SECURITY, _VERIFY, "        return hashed == self.hash(password)\n"),
    )


MUTANTS = (
    # in answers
    Mutant(
        "hash-in-the-users-schema",
        "layered_sync",
        "schema",
        _SECRET,
        (
            Edit(
                _SCHEMAS,
                "    role: str\n    created_at: datetime\n",
                "    role: str\n    hashed_password: str\n    created_at: datetime\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "profile-without-a-response-model",
        "layered_sync",
        "handler",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "shop/routers/users.py",
                '@router.get("/me", response_model=UserOut)\n',
                '@router.get("/me")\n',
            ),
        ),
        ("GET /users/me",),
    ),
    Mutant(
        "registration-answers-with-the-row",
        "layered_sync",
        "handler",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "shop/routers/auth.py",
                '@router.post("/register", response_model=UserOut, status_code=201)\n',
                '@router.post("/register", status_code=201)\n',
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "registration-repeats-the-password",
        "layered_sync",
        "service",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "shop/routers/auth.py",
                """@router.post("/register", response_model=UserOut, status_code=201)
def register(data: UserCreate, db: Session = Depends(get_db)):
    return AuthService(db).register(data)""",
                """@router.post("/register", response_model=dict, status_code=201)
def register(data: UserCreate, db: Session = Depends(get_db)):
    user = AuthService(db).register(data)
    return {"id": user.id, **data.model_dump()}""",
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "admins-see-hashes",
        "layered_sync",
        "router",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "shop/routers/admin.py",
                '@router.get("/users", response_model=List[UserOut])',
                '@router.get("/users")',
            ),
        ),
        ("GET /admin/users",),
    ),
    Mutant(
        "hidden-settings",
        "layered_sync",
        "hidden",
        (*_SECRET, "response-without-model", "missing-authentication"),
        (
            Edit(
                "shop/main.py",
                "",
                """

@app.get("/debug/settings", include_in_schema=False)
def show_settings():
    return get_settings().model_dump()
""",
            ),
        ),
        ("GET /debug/settings",),
    ),
    Mutant(
        "hash-beside-the-order",
        "layered_sync",
        "service",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "shop/routers/orders.py",
                '@router.get("/{order_id}", response_model=OrderOut)\n'
                "def get_order(order: Order = Depends(own_order)):\n"
                "    return order",
                '@router.get("/{order_id}")\n'
                "def get_order(order: Order = Depends(own_order)):\n"
                '    return {"id": order.id, "note": order.note, "customer": vars(order.customer)}',
            ),
        ),
        ("GET /orders/{order_id}",),
    ),
    Mutant(
        "hash-of-the-account",
        "reference_app",
        "schema",
        _SECRET,
        (
            Edit(
                "app/schemas/user.py",
                "    email: str\n    role: Role\n",
                "    email: str\n    password_hash: str\n    role: Role\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "account-as-it-is-stored",
        "reference_app",
        "handler",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "app/routes/auth.py",
                '@router.get("/me", response_model=UserPublic)',
                '@router.get("/me")',
            ),
        ),
        ("GET /api/v1/auth/me",),
    ),
    Mutant(
        "hidden-account-as-a-dictionary",
        "reference_app",
        "hidden",
        (*_SECRET, "response-without-model"),
        (
            Edit(
                "app/routes/auth.py",
                "",
                """

@router.get("/export", include_in_schema=False)
async def export(session: UserSession) -> dict[str, object]:
    user = await session.get_one(User, session.user_id)
    return {"account": user.model_dump()}
""",
            ),
        ),
        ("GET /api/v1/auth/export",),
    ),
    # other people's fields
    Mutant(
        "emails-of-everybody",
        "layered_sync",
        "handler",
        (
            "private-field-in-response",
            "cross-user-list",
            "unscoped-query",
            "admin-route-open-to-users",
        ),
        (
            Edit(
                "shop/routers/users.py",
                "",
                """

@router.get("", response_model=List[UserOut])
def list_users(
    paging: Paging = Depends(),
    user: User = Depends(get_current_user),
    db: Session = Depends(get_db),
):
    return UserRepository(db).page(paging.skip, paging.limit)
""",
            ),
            Edit(
                "shop/routers/users.py",
                "from shop.schemas import",
                "from shop.repositories.users import UserRepository\nfrom shop.schemas import",
            ),
        ),
        ("GET /users", "shop/repositories/users.py"),
    ),
    Mutant(
        "email-of-whoever-is-named",
        "layered_sync",
        "handler",
        ("private-field-in-response", "cross-user-read", "unscoped-query", "user-id-from-path"),
        (
            Edit(
                "shop/routers/users.py",
                "",
                """

@router.get("/{user_id}", response_model=UserOut)
def read_user(
    user_id: Id, me: User = Depends(get_current_user), db: Session = Depends(get_db)
):
    user = db.get(User, user_id)
    if user is None:
        raise HTTPException(status_code=404, detail="user not found")
    return user
""",
            ),
            Edit(
                "shop/routers/users.py",
                "import APIRouter, Depends\n",
                "import APIRouter, Depends, HTTPException\n",
            ),
            Edit("shop/routers/users.py", "import OrderOut, ", "import Id, OrderOut, "),
        ),
        ("GET /users/{user_id}",),
    ),
    Mutant(
        "notes-of-everybody-on-a-hidden-route",
        "layered_sync",
        "hidden",
        ("private-field-in-response", "cross-user-list", "unscoped-query"),
        (
            Edit(
                "shop/routers/orders.py",
                '@router.get("/{order_id}", response_model=OrderOut)\n',
                """@router.get("/recent", response_model=List[OrderOut], include_in_schema=False)
def recent_orders(service: OrderService = Depends(get_order_service)):
    return service.db.query(Order).order_by(Order.id.desc()).limit(20).all()


@router.get("/{order_id}", response_model=OrderOut)
""",
            ),
        ),
        ("GET /orders/recent",),
    ),
    Mutant(
        "emails-of-all-accounts",
        "reference_app",
        "service",
        (
            "private-field-in-response",
            "cross-user-list",
            "unscoped-query",
            "admin-route-open-to-users",
            "unbounded-list",
        ),
        (
            Edit(
                "app/routes/auth.py",
                "",
                """

@router.get("/people", response_model=list[UserPublic])
async def people(session: UserSession) -> list[User]:
    everyone = session.unscoped(reason="to invite them")
    return (await everyone.exec(select(User).limit(100))).all()
""",
            ),
            Edit(
                "app/routes/auth.py",
                "from fastapi.security import OAuth2PasswordRequestForm\n",
                "from fastapi.security import OAuth2PasswordRequestForm\nfrom sqlmodel import select\n",
            ),
        ),
        ("GET /api/v1/auth/people",),
    ),
    # errors as they are
    Mutant(
        "words-of-the-database-on-a-duplicate",
        "layered_sync",
        "service",
        _RAW,
        (
            Edit(
                "shop/services/products.py",
                """        except IntegrityError:
            self.db.rollback()
            raise conflict("this sku is taken")""",
                """        except IntegrityError as error:
            self.db.rollback()
            raise conflict(str(error))""",
            ),
        ),
        ("POST /products",),
    ),
    Mutant(
        "words-of-the-database-at-registration",
        "layered_sync",
        "service",
        _RAW,
        (
            Edit(
                _AUTH,
                """            user = self.users.add(user)
        except IntegrityError:
            self.db.rollback()
            raise conflict("this email is taken")""",
                """            user = self.users.add(user)
        except IntegrityError as error:
            self.db.rollback()
            raise HTTPException(status_code=400, detail=f"could not register: {error}")""",
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "any-error-as-it-is",
        "layered_sync",
        "handler",
        (*_RAW, "server-error-for-client-mistake"),
        (
            Edit(
                "shop/routers/products.py",
                """    service.delete(product_id)
""",
                """    try:
        service.products.delete(service.get(product_id))
    except HTTPException:
        raise
    except Exception as e:
        raise HTTPException(status_code=500, detail=str(e))
""",
            ),
            Edit(
                "shop/routers/products.py",
                "import APIRouter, Depends, Query\n",
                "import APIRouter, Depends, HTTPException, Query\n",
            ),
        ),
        ("DELETE /products/{product_id}",),
    ),
    Mutant(
        "traceback-in-the-answer",
        "layered_sync",
        "app",
        _RAW,
        (
            Edit(
                "shop/main.py",
                'return JSONResponse({"detail": "internal error"}, status_code=500)',
                'return JSONResponse({"detail": traceback.format_exc()}, status_code=500)',
            ),
            Edit("shop/main.py", "import logging\n", "import logging\nimport traceback\n"),
        ),
        ("*",),
    ),
    Mutant(
        "error-in-the-answer",
        "layered_sync",
        "app",
        _RAW,
        (
            Edit(
                "shop/main.py",
                'return JSONResponse({"detail": "internal error"}, status_code=500)',
                'return JSONResponse({"detail": repr(error)}, status_code=500)',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "debug-pages",
        "layered_sync",
        "app",
        _RAW,
        (
            Edit(
                "shop/main.py",
                'FastAPI(title="Shop", lifespan=lifespan)',
                'FastAPI(title="Shop", lifespan=lifespan, debug=True)',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "error-of-the-supplier",
        "layered_sync",
        "service",
        _RAW,
        (
            Edit(
                "shop/services/products.py",
                """        except (OSError, ValueError, KeyError):
            raise HTTPException(status_code=502, detail="the supplier does not answer")""",
                """        except (OSError, ValueError, KeyError) as error:
            raise HTTPException(status_code=502, detail=f"{type(error)}: {error} at {url}")""",
            ),
        ),
        ("GET /products/{product_id}/stock",),
    ),
    Mutant(
        "error-of-the-database-in-the-reference-app",
        "reference_app",
        "service",
        _RAW,
        (
            Edit(
                "app/services/tag_service.py",
                "    return await session.add(Tag(**data.model_dump()))",
                """    try:
        return await session.add(Tag(**data.model_dump()))
    except Exception as error:
        raise HTTPException(400, detail=f"{error!r}: {error.__cause__!r}") from error""",
            ),
            Edit(
                "app/services/tag_service.py",
                "from sqlmodel import select\n",
                "from fastapi import HTTPException\nfrom sqlmodel import select\n",
            ),
        ),
        ("POST /api/v1/tags",),
    ),
    # in logs
    Mutant(
        "password-of-a-failed-login-logged",
        "layered_sync",
        "service",
        _LOGGED,
        (
            Edit(
                _AUTH,
                'logger.warning("a login failed")',
                'logger.warning("login failed: %s %s", email, password)',
            ),
        ),
        ("POST /auth/login",),
    ),
    Mutant(
        "registration-logged-whole",
        "layered_sync",
        "service",
        _LOGGED,
        (
            Edit(
                _AUTH,
                'logger.info("user %s registered", user.id)',
                'logger.info(f"registered {data.model_dump()}")',
            ),
        ),
        ("POST /auth/register",),
    ),
    Mutant(
        "token-printed",
        "layered_sync",
        "dependency",
        _LOGGED,
        (
            Edit(
                "shop/dependencies.py",
                '    user_id = TokenService().read(token, "access")\n',
                '    print("token", token)\n    user_id = TokenService().read(token, "access")\n',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "hash-logged",
        "layered_sync",
        "repository",
        _LOGGED,
        (
            Edit(
                "shop/repositories/users.py",
                "        return self.db.scalars(select(User).where(User.email == email)).first()",
                """        user = self.db.scalars(select(User).where(User.email == email)).first()
        if user is not None:
            logging.getLogger("shop.users").info("found %s", vars(user))
        return user""",
            ),
            Edit("shop/repositories/users.py", "from typing", "import logging\nfrom typing"),
        ),
        ("*",),
    ),
    Mutant(
        "bodies-logged",
        "layered_sync",
        "app",
        _LOGGED,
        (
            Edit(
                "shop/main.py",
                '@app.get("/health", response_model=Health)\n',
                """@app.middleware("http")
async def log_bodies(request: Request, call_next):
    body = await request.body()
    logger.info("%s %s %r", request.method, request.url.path, body)
    return await call_next(request)


@app.get("/health", response_model=Health)
""",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "headers-logged",
        "layered_sync",
        "instance",
        _LOGGED,
        (
            Edit(
                "shop/dependencies.py",
                """    def __call__(self, user: User = Depends(get_current_user)) -> User:
""",
                """    def __call__(self, request: Request, user: User = Depends(get_current_user)) -> User:
        print(f"admin asked: {request.headers.get('authorization')}")
""",
            ),
            Edit(
                "shop/dependencies.py", "HTTPException, Query\n", "HTTPException, Query, Request\n"
            ),
        ),
        ("*",),
    ),
    Mutant(
        "new-password-logged",
        "reference_app",
        "service",
        _LOGGED,
        (
            Edit(
                _USERS,
                "    password_hash = await hash_password(data.password)\n",
                """    logging.getLogger("app").info(f"signing up {data.email} with {data.password}")
    password_hash = await hash_password(data.password)
""",
            ),
            Edit(
                _USERS,
                "from apiwright.kit.passwords",
                "import logging\n\nfrom apiwright.kit.passwords",
            ),
        ),
        ("POST /api/v1/auth/register",),
    ),
    Mutant(
        "hash-of-the-account-printed",
        "reference_app",
        "service",
        _LOGGED,
        (
            Edit(
                _USERS,
                "    if user is None or not right or not user.is_active:\n",
                "    print(email, user)\n    if user is None or not right or not user.is_active:\n",
            ),
        ),
        ("*",),
    ),
    # badly kept
    Mutant(
        "password-by-md5",
        "layered_sync",
        "service",
        _WEAK,
        _hashed("hashlib.md5(password.encode()).hexdigest()"),
        ("*",),
    ),
    Mutant(
        "password-by-sha1",
        "layered_sync",
        "service",
        _WEAK,
        _hashed('hashlib.new("sha1", password.encode()).hexdigest()'),
        ("*",),
    ),
    Mutant(
        "password-by-salted-sha256",
        "layered_sync",
        "service",
        _WEAK,
        _hashed('hashlib.sha256(b"shop" + password.encode()).hexdigest()'),
        ("*",),
    ),
    Mutant(
        "password-by-a-few-rounds",
        "layered_sync",
        "service",
        _WEAK,
        _hashed('hashlib.pbkdf2_hmac("sha256", password.encode(), b"shop-salt", 1000).hex()'),
        ("*",),
    ),
    Mutant(
        "bcrypt-of-four-rounds",
        "layered_sync",
        "service",
        _WEAK,
        (Edit(_SECURITY, "rounds: int = 12", "rounds: int = 4"),),
        ("*",),
    ),
    Mutant("password-as-it-is", "layered_sync", "service", _PLAIN, _hashed("password"), ("*",)),
    Mutant(
        "password-reversed",
        "layered_sync",
        "service",
        (*_PLAIN, *_WEAK),
        _hashed("password[::-1]"),
        ("*",),
    ),
    Mutant(
        "password-kept-beside-its-hash",
        "layered_sync",
        "service",
        _PLAIN,
        (
            Edit(
                "shop/models.py",
                "    hashed_password: Mapped[str] = mapped_column(String(100))\n",
                "    hashed_password: Mapped[str] = mapped_column(String(100))\n"
                '    first_password: Mapped[str] = mapped_column(String(100), default="")\n',
            ),
            Edit(
                _AUTH,
                "            full_name=data.full_name,\n",
                "            full_name=data.full_name,\n            first_password=data.password,\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "changed-password-as-it-is",
        "layered_sync",
        "service",
        _PLAIN,
        (
            Edit(
                _AUTH,
                '{"hashed_password": password_hasher.hash(data.new_password)}',
                '{"hashed_password": data.new_password}',
            ),
        ),
        ("*",),
    ),
    Mutant(
        "password-of-the-account-by-sha256",
        "reference_app",
        "service",
        _WEAK,
        (
            Edit(
                _USERS,
                """    password_hash = await hash_password(data.password)
    everyone""",
                """    password_hash = hashlib.sha256(data.password.encode()).hexdigest()
    everyone""",
            ),
            Edit(
                _USERS,
                "from apiwright.kit.passwords",
                "import hashlib\n\nfrom apiwright.kit.passwords",
            ),
            Edit(
                _USERS,
                "    right, upgraded = await verify_and_upgrade(password, user.password_hash if user else None)\n",
                "    digest = hashlib.sha256(password.encode()).hexdigest()\n"
                "    right, upgraded = user is not None and user.password_hash == digest, None\n",
            ),
        ),
        ("*",),
    ),
    Mutant(
        "password-of-the-account-as-it-is",
        "reference_app",
        "service",
        _PLAIN,
        (
            Edit(
                _USERS,
                """    password_hash = await hash_password(data.password)
    everyone""",
                """    password_hash = data.password
    everyone""",
            ),
            Edit(
                _USERS,
                "    right, upgraded = await verify_and_upgrade(password, user.password_hash if user else None)\n",
                "    right, upgraded = user is not None and user.password_hash == password, None\n",
            ),
        ),
        ("*",),
    ),
)
