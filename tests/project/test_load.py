"""The fixtures, read whole: each is written as somebody else would."""

# other people's code, in one line each

import pytest

from apiwright.project.facts import Column, Model, Place, Project, Relationship
from apiwright.project.load import load
from tests.project.projects import PROJECTS, REFERENCE_APP, served


@pytest.fixture(scope="module")
def single_file() -> Project:
    return load(PROJECTS / "single_file")


@pytest.fixture(scope="module")
def routers_sync() -> Project:
    return load(PROJECTS / "routers_sync")


@pytest.fixture(scope="module")
def versioned_async() -> Project:
    return load(PROJECTS / "versioned_async")


@pytest.fixture(scope="module")
def src_layout() -> Project:
    return load(PROJECTS / "src_layout")


@pytest.fixture(scope="module")
def reference_app() -> Project:
    return load(REFERENCE_APP)


def model(project: Project, name: str) -> Model:
    return next(model for model in project.models if model.name == name)


def columns(project: Project, name: str) -> list[str]:
    return [described(column) for column in model(project, name).columns]


def described(column: Column) -> str:
    words = [
        column.name,
        column.type,
        "null" if column.nullable else None,
        "pk" if column.primary_key else None,
        "unique" if column.unique else None,
        "index" if column.index else None,
        f"={column.default}" if column.default else None,
        f"->{column.foreign_key}" if column.foreign_key else None,
    ]
    return " ".join(word for word in words if word)


# a single file, SQLModel


def test_single_file_app_and_routes(single_file: Project) -> None:
    assert (single_file.app.target, str(single_file.app.at)) == ("main:app", "main.py:53")
    assert single_file.layout.name == "single file"
    assert served(single_file) == [
        "GET /health none",
        "POST /heroes login",
        "GET /heroes none",
        "GET /heroes/{hero_id} none",
        "DELETE /heroes/{hero_id} login",
    ]
    create = single_file.routes[1]
    assert (create.name, create.module, str(create.at)) == ("create_hero", "main", "main.py:67")
    assert (create.status, create.response_model, create.is_async) == (201, "HeroRead", False)
    assert [route.status for route in single_file.routes] == [200, 201, 200, 200, 204]


def test_single_file_models(single_file: Project) -> None:
    assert [(m.name, m.table, m.kind, m.style) for m in single_file.models] == [
        ("Team", "team", "sqlmodel", "field"),
        ("Hero", "hero", "sqlmodel", "field"),
    ]
    assert columns(single_file, "Team") == ["id int pk", "name str unique index"]
    assert columns(single_file, "Hero") == [
        "name str index",
        "age int null",
        "team_id int null ->team.id",
        "id int pk",
        "secret_name str",
    ]
    assert model(single_file, "Team").relationships == (
        Relationship("heroes", "Hero", True, "team", None, Place("main.py", 15)),
    )
    assert single_file.user_model is None


def test_single_file_style(single_file: Project) -> None:
    session = single_file.session
    assert session is not None
    assert (session.name, session.module, session.provider) == ("SessionDep", "main", "get_session")
    assert (session.style, session.is_async, session.uses) == ("alias", False, 4)
    assert single_file.schema_names == {
        "base": "{name}Base",
        "create": "{name}Create",
        "update": "{name}Update",
        "public": "{name}Read",
    }
    assert [style.name for style in single_file.services] == ["statements in routes"]
    assert [style.name for style in single_file.pagination] == ["offset and limit"]
    assert [str(place) for place in single_file.create_all] == ["main.py:58"]
    assert single_file.tests is None
    assert single_file.migrations is None
    assert single_file.tools.package_manager == "pip"
    assert single_file.not_seen == ()


# routers/, SQLAlchemy with Column, single quotes


def test_routers_sync_routes(routers_sync: Project) -> None:
    assert served(routers_sync) == [
        "GET /posts/ none",
        "POST /posts/ login",
        "GET /posts/{post_id} none",
        "GET /users/me login",
        "DELETE /users/{user_id} admin",
        "POST /login none",
    ]
    create = routers_sync.routes[1]
    assert [(one.name, one.module, one.level, one.protects) for one in create.dependencies] == [
        ("get_db", "app.database", "parameter", "none"),
        ("get_current_user", "app.auth", "parameter", "login"),
    ]
    delete = routers_sync.routes[4].dependencies[0]
    assert (delete.name, delete.level, delete.protects) == ("require_admin", "route", "admin")
    assert str(delete.at) == "app/auth.py:21"


def test_routers_sync_routers_and_where_they_are_included(routers_sync: Project) -> None:
    assert [
        (router.name, router.prefix, [(i.into, i.prefix, str(i.at)) for i in router.included])
        for router in routers_sync.routers
    ] == [
        ("app.routers.posts:router", "/posts", [("app.main:app", "", "app/main.py:11")]),
        ("app.routers.users:users_router", "", [("app.main:app", "/users", "app/main.py:12")]),
    ]


def test_routers_sync_models(routers_sync: Project) -> None:
    assert [(m.name, m.table, m.style, m.is_user, m.owner_column) for m in routers_sync.models] == [
        ("User", "users", "column", True, None),
        ("Post", "posts", "column", False, "author_id"),
        ("Tag", "tags", "column", False, None),
    ]
    assert columns(routers_sync, "Post") == [
        "created_at DateTime =datetime.now",
        "id Integer pk",
        "title String(200)",
        "content String null",
        "author_id Integer ->users.id",
    ]
    post = model(routers_sync, "Post")
    assert [column.attribute for column in post.columns][3] == "body"
    assert post.unique_together == (("author_id", "title"),)
    assert [
        (r.name, r.target, r.many, r.back_populates, r.through) for r in post.relationships
    ] == [
        ("author", "User", False, "posts", None),
        ("tags", "Tag", True, None, "post_tags"),
    ]


def test_routers_sync_style(routers_sync: Project) -> None:
    session = routers_sync.session
    assert session is not None
    assert (session.name, session.module, session.style) == ("get_db", "app.database", "default")
    assert (session.is_async, session.parameter, session.uses) == (False, "db", 5)
    assert routers_sync.schema_names == {"create": "{name}In", "public": "{name}Out"}
    assert {s.name: s.config for s in routers_sync.schemas}["PostOut"] == "v1"
    assert [style.name for style in routers_sync.errors] == ["HTTPException", "envelope"]
    assert [style.name for style in routers_sync.pagination] == ["skip and limit"]
    tests = routers_sync.tests
    assert tests is not None
    assert (tests.folder, tests.runner, tests.client) == ("tests", "pytest", "sync")
    assert [(f.name, f.meaning) for f in tests.fixtures] == [
        ("db_session", "session"),
        ("client", "client"),
        ("auth_headers", "login"),
    ]
    assert tests.login_helper == "auth_headers"
    assert str(tests.overrides) == "tests/conftest.py:15"
    tools = routers_sync.tools
    assert (tools.linters, tools.line_length, tools.quotes) == (("black",), 100, "single")
    assert [str(place) for place in routers_sync.create_all] == ["app/main.py:7"]
    assert routers_sync.layout.name == "routers"


# backend/app/api/v1/endpoints, async SQLAlchemy with Mapped


def test_versioned_async_is_found_beside_its_frontend(versioned_async: Project) -> None:
    app = versioned_async.app
    assert (app.target, app.import_root) == ("app.main:app", "backend")
    assert versioned_async.layout.name == "versioned"
    assert versioned_async.layout.folders["services"] == ("backend/app/crud",)


def test_versioned_async_routes_with_a_prefix_from_the_settings(versioned_async: Project) -> None:
    assert served(versioned_async) == [
        "GET /api/v1/items/ login",
        "POST /api/v1/items/ login",
        "GET /api/v1/items/{item_id} login",
        "GET /api/v1/admin/stats admin",
        "GET /api/v1/utils/health-check/ none",
    ]
    items, create, _, admin, _ = versioned_async.routes
    assert str(items.at) == "backend/app/api/v1/endpoints/items.py:14"
    assert (create.status, create.response_model) == (201, "ItemPublic")
    assert [(d.name, d.level) for d in admin.dependencies] == [("RoleChecker", "router")]


def test_versioned_async_models(versioned_async: Project) -> None:
    assert [(m.name, m.table, m.style, m.is_user) for m in versioned_async.models] == [
        ("Item", "items", "mapped", False),
        ("User", "users", "mapped", True),
    ]
    assert columns(versioned_async, "Item") == [
        "id uuid.UUID pk =uuid.uuid4",
        "created_at datetime =the database's",
        "title str",
        "description str null",
        "owner_id uuid.UUID index ->users.id",
    ]
    item = model(versioned_async, "Item")
    assert (item.owner_column, item.primary_key) == ("owner_id", ("id",))
    assert [(r.name, r.target, r.many) for r in item.relationships] == [("owner", "User", False)]


def test_versioned_async_style(versioned_async: Project) -> None:
    session = versioned_async.session
    assert session is not None
    assert (session.name, session.module) == ("SessionDep", "app.api.deps")
    assert (session.provider, session.type, session.is_async) == (
        "get_session",
        "AsyncSession",
        True,
    )
    services = versioned_async.services
    assert [(style.name, style.count) for style in services] == [("classes", 3)]
    assert services[0].example == "app.crud.item.CRUDItem.get"
    tests = versioned_async.tests
    assert tests is not None
    assert (tests.folder, tests.client) == ("backend/tests", "async")
    assert tests.login_helper == "superuser_token_headers"
    assert versioned_async.rules == ("CLAUDE.md",)
    tools = versioned_async.tools
    assert (tools.package_manager, tools.line_length, tools.python) == ("uv", 99, ">=3.12")


def test_versioned_async_migrations(versioned_async: Project) -> None:
    migrations = versioned_async.migrations
    assert migrations is not None
    assert (migrations.folder, migrations.ini) == (
        "backend/migrations/versions",
        "backend/alembic.ini",
    )
    assert (migrations.heads, migrations.revisions, migrations.batch) == (("b2",), 2, True)
    assert str(migrations.target_metadata) == "backend/migrations/env.py:5"


def test_versioned_async_settings_without_their_secrets(versioned_async: Project) -> None:
    settings = versioned_async.settings
    assert settings.class_name == "app.core.config:Settings"
    assert settings.instance == "app.core.config:settings"
    assert [(key.key, key.required, key.example) for key in settings.keys] == [
        ("ACCESS_TOKEN_MINUTES", True, None),
        ("API_V1_STR", False, None),
        ("DATABASE_URL", True, "postgresql+asyncpg://"),
        ("ENVIRONMENT", False, "local"),
        ("FIRST_ADMIN_EMAIL", True, "admin@example.com"),
        ("PROJECT_NAME", True, "Items"),
        ("SECRET_KEY", True, None),
    ]


# src/, a factory, services and repositories, a loop over routers, routes of a class


def test_src_layout_app_is_a_factory(src_layout: Project) -> None:
    app = src_layout.app
    assert (app.target, app.factory, app.import_root) == ("shop.app:create_app", True, "src")
    assert str(app.at) == "src/shop/app.py:15"


def test_src_layout_routes(src_layout: Project) -> None:
    assert served(src_layout) == [
        "GET /api/products none",
        "GET /api/products/{product_id} none",
        "POST /api/orders/{order_id}/lines login",
        "GET /health none",
    ]
    add, health = src_layout.routes[2:]
    assert (add.name, str(add.at)) == ("Orders.add", "src/shop/orders/router.py:15")
    assert [(d.name, d.level) for d in add.dependencies] == [
        ("verify", "router"),
        ("session", "parameter"),
    ]
    assert (health.name, health.in_schema) == ("create_app.<locals>.health", False)


def test_src_layout_models_with_a_key_of_two_columns(src_layout: Project) -> None:
    assert model(src_layout, "OrderLine").primary_key == ("order_id", "product_id")
    assert columns(src_layout, "OrderLine") == [
        "order_id int pk",
        "product_id int pk ->products.id",
        "amount int =1",
    ]


def test_src_layout_style(src_layout: Project) -> None:
    assert [(s.name, s.example) for s in src_layout.services] == [
        ("classes", "shop.products.service.ProductService.get"),
        ("statements in routes", "Orders.add"),
    ]
    assert [style.name for style in src_layout.errors] == [
        "exceptions of the project",
        "exception handlers",
        "HTTPException",
    ]
    assert [style.name for style in src_layout.pagination] == ["page and size"]
    assert src_layout.rules == (".cursor/rules/style.mdc", "AGENTS.md")
    assert [(key.key, key.type, key.required) for key in src_layout.settings.keys] == [
        ("SHOP_API_PREFIX", "str", False),
        ("SHOP_API_TOKEN", "str", True),
        ("SHOP_DATABASE_URL", "str", False),
        ("SHOP_DEBUG", "bool", True),
    ]
    assert src_layout.layout.name == "features"


# ours


def test_reference_app_routes(reference_app: Project) -> None:
    assert reference_app.app.target == "app.main:app"
    assert {
        "GET /api/v1/tasks login",
        "POST /api/v1/tasks login",
        "GET /api/v1/tasks/{task_id} login",
        "PATCH /api/v1/tasks/{task_id} login",
        "DELETE /api/v1/tasks/{task_id} login",
        "POST /api/v1/templates admin",
        "POST /api/v1/auth/register none",
        "POST /api/v1/auth/login none",
        "GET /api/v1/auth/me login",
    } <= set(served(reference_app))


def test_reference_app_models_have_the_columns_of_the_kit(reference_app: Project) -> None:
    assert columns(reference_app, "Task") == [
        "created_at datetime",
        "updated_at datetime",
        "owner_id UUID ->user.id",
        "id UUID pk",
        "title str",
        "description str null",
        "done bool =False",
        "project_id UUID null ->project.id",
    ]
    assert model(reference_app, "Task").owner_column == "owner_id"
    user = reference_app.user_model
    assert user is not None
    assert (user.name, user.table) == ("User", "user")


def test_reference_app_style(reference_app: Project) -> None:
    session = reference_app.session
    assert session is not None
    assert (session.name, session.module) == ("UserSession", "apiwright.kit.logins")
    assert (session.style, session.is_async) == ("alias", True)
    assert reference_app.services[0].name == "functions"
    assert [style.name for style in reference_app.pagination] == ["the kit's cursor"]
    assert reference_app.errors[0].name == "problems"
    assert reference_app.layout.name == "routes and services"
    assert {"create", "update", "public"} <= set(reference_app.schema_names)
