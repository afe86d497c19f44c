"""Limits: how many requests a user, or else an address, may send; and failed logins.

`install(app, settings)` limits every request. `Limit` limits one route further, and
`LoginAttempts` slows who guesses passwords without locking out whose password it is.
"""

import logging
import re
import time
from asyncio import timeout
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b, sha256
from ipaddress import AddressValueError, IPv6Address
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apiwright.errors import ApiwrightError
from apiwright.kit import health
from apiwright.kit.logins import claims_of
from apiwright.kit.problems import Problem, TooMany, Unavailable, may_answer
from apiwright.kit.settings import Settings

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 24 * 3600}  # in seconds
_NOTATION = re.compile(
    r"\s*(?P<quota>\d+)\s*(/|per)\s*(?P<many>[1-9]\d*)?\s*(?P<unit>second|minute|hour|day)s?\s*"
)
_ASKING = "apiwright.limits"  # in the ASGI scope: the request's _Asking
_MOST_COUNTED = 50_000  # users and addresses in memory, of each limit; twice that at most
_PATIENCE = 1.0  # seconds for one answer of Redis
_PAUSE = 1.0  # seconds until Redis is asked again after it did not answer

logger = logging.getLogger("apiwright.limits")


def install(app: FastAPI, settings: Settings) -> None:
    """Limit every request to `settings.rate_limit`, except those to `kit.health`. The counts are
    in `app.state.limits`.

    Raises ApiwrightError for settings that cannot be followed.
    """
    app.state.limits = Limits(settings)
    app.add_middleware(_Middleware, limits=app.state.limits)
    if settings.redis_url is not None and not settings.rate_limit_open:
        health.also_needs(app, "Redis", app.state.limits.check)


@dataclass(frozen=True, slots=True)
class _Rate:
    """So many in so many seconds.

    They are counted in fixed windows that begin with the clock. A window is one counter: a request
    costs one step in memory or one round trip to Redis, and what is left, and until when, is known
    exactly without asking again. (The other strategies of `limits` take a second round trip, or an
    entry for each request.) The price: around the end of a window, up to twice the quota passes,
    which does no harm to what these limits protect.
    """

    quota: int
    seconds: int
    name: str
    """What the headers call it."""
    policy: str
    """The `RateLimit-Policy` header's part of it."""
    key: str
    """In Redis; with the strategy, as another one could not read these counters."""


def _rate(text: str, name: str | None = None) -> _Rate:
    """Raises ValueError for what is not a number, a slash and a time."""
    found = _NOTATION.fullmatch(text)
    if found is None or int(found["quota"]) == 0:
        raise ValueError(f"{text!r} is not as in 600/minute")
    quota, seconds = int(found["quota"]), int(found["many"] or 1) * _UNITS[found["unit"]]
    name = name or "".join(text.split())
    policy = f'"{name}";q={quota};w={seconds}'
    return _Rate(quota, seconds, name, policy, f"fixed:{name}:{quota}/{seconds}")


class _Count(NamedTuple):
    """One request, counted."""

    rate: _Rate
    who: str
    window: int
    left: int
    """Below zero: too many."""
    wait: int
    """Seconds until the window ends, at least one."""
    in_redis: bool
    """Where it is counted; otherwise in memory."""


class _Window:
    """The counts of one rate in the current window, in the memory of this process.

    (The one of `limits` looks through all its counts at every hit: 10 ms for 100 000 addresses.)
    All is forgotten when the window ends. Within one, who has not been seen for long is forgotten
    when there are too many, so that very many addresses do not fill the memory.
    """

    def __init__(self) -> None:
        self._window = 0
        self._counts: dict[str, int] = {}
        self._older: dict[str, int] = {}

    def add(self, who: str, window: int) -> int:
        if window != self._window:
            self._window, self._counts, self._older = window, {}, {}
        count = self._counts.get(who)
        if count is None:
            count = self._older.pop(who, 0)
            if len(self._counts) >= _MOST_COUNTED:
                self._counts, self._older = {}, self._counts
        self._counts[who] = count + 1
        return count + 1

    def take_back(self, who: str, window: int) -> None:
        if window == self._window and who in self._counts:
            self._counts[who] -= 1


class _Redis:
    """Counts that all processes share. When Redis is gone it says so once, and asks again from
    time to time, one request at a time, so that not every request waits for it."""

    def __init__(self, settings: Settings, url: str) -> None:
        try:
            from limits.aio.storage import RedisStorage
            from limits.errors import StorageError
            from redis.asyncio import BlockingConnectionPool
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            # the second attempt is for connections that ended while they were idle
            pool = BlockingConnectionPool.from_url(url, retry=Retry(NoBackoff(), 1))
            # an unused connection, which sees what is wrong with the URL's query
            pool.make_connection()  # type: ignore[no-untyped-call]  # as redis has it
            options: dict[str, Any] = {"connection_pool": pool}  # Any: so `limits` passes it on
            self._storage = RedisStorage(
                "redis://",  # not used, as the pool is ours
                wrap_exceptions=True,
                implementation="redispy",
                key_prefix=f"{settings.app_name}:limits",
                **options,
            )
        except ImportError:
            raise ApiwrightError(
                "REDIS_URL is set, but the package that talks to Redis is not installed.",
                "Install apiwright[redis], or remove REDIS_URL.",
            ) from None
        except (ValueError, TypeError):
            raise ApiwrightError(
                "REDIS_URL is not the URL of a Redis.",
                "It reads redis://host:6379/0, or rediss://user:password@host:6379/0 with TLS.",
            ) from None
        self._pool = pool
        self._error = StorageError
        self._meanwhile = "counted by each process" if settings.rate_limit_open else "refused"
        self._ask_again: float | None = None  # while it is gone

    async def add(self, rate: _Rate, who: str, window: int, amount: int = 1) -> int | None:
        """None: Redis is gone."""
        if self._ask_again is not None:
            now = time.monotonic()
            if now < self._ask_again:
                return None
            self._ask_again = now + _PAUSE
        try:
            async with timeout(_PATIENCE):
                count = await self._storage.incr(f"{rate.key}:{window}:{who}", rate.seconds, amount)
        except self._error as error:
            self._gone(str(error.storage_error))
            return None
        except TimeoutError:
            self._gone("no answer in time")
            return None
        if self._ask_again is not None:
            self._ask_again = None
            logger.warning("Redis is back. Requests are counted in it.")
        return count

    def _gone(self, why: str) -> None:
        if self._ask_again is None:
            logger.error("Redis is gone: %s. Requests are %s.", why, self._meanwhile)
        self._ask_again = time.monotonic() + _PAUSE

    async def check(self) -> None:
        if not await self._storage.check():
            raise ConnectionError("Redis does not answer")

    async def close(self) -> None:
        await self._pool.aclose()


class Limits:
    """The counts of one app."""

    def __init__(self, settings: Settings) -> None:
        """Raises ApiwrightError for settings that cannot be followed."""
        self._is_open = settings.rate_limit_open
        self._key = sha256(settings.signing_key().encode()).digest()
        self._windows: defaultdict[str, _Window] = defaultdict(_Window)
        self._redis: _Redis | None = None
        if settings.redis_url is not None:
            url = settings.redis_url.get_secret_value()
            self._redis = _Redis(settings, url)
        self.default: _Rate | None = None
        """What every request is limited to, if anything."""
        if settings.rate_limit.lower() not in ("", "off"):
            try:
                self.default = _rate(settings.rate_limit, "default")
            except ValueError as error:
                raise ApiwrightError(
                    f"RATE_LIMIT is not a limit: {error}.",
                    "It reads 600/minute or 20/second; off is no limit.",
                ) from None

    async def add(self, rate: _Rate, who: str) -> _Count:
        """Raises the 503 problem when Redis is gone, unless limits are then open."""
        window, passed = divmod(int(time.time()), rate.seconds)
        count = None
        if self._redis is not None:
            count = await self._redis.add(rate, who, window)
            if count is None and not self._is_open:
                raise Unavailable()
        in_redis = count is not None
        if count is None:
            count = self._windows[rate.key].add(who, window)
        return _Count(rate, who, window, rate.quota - count, rate.seconds - passed, in_redis)

    async def take_back(self, count: _Count) -> None:
        if count.in_redis and self._redis is not None:
            await self._redis.add(count.rate, count.who, count.window, -1)
        else:
            self._windows[count.rate.key].take_back(count.who, count.window)

    def account(self, name: str) -> str:
        """What stands for an account in the counts, where its name is not to be read."""
        name = name.lower()
        return blake2b(name.encode(errors="replace"), key=self._key, digest_size=16).hexdigest()

    async def check(self) -> None:
        """Raises when the counts are in Redis, and it does not answer."""
        if self._redis is not None:
            await self._redis.check()

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.close()


class _Asking:
    """One request, as far as limits are concerned."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts: list[_Count] = []

    async def count(self, rate: _Rate, who: str) -> None:
        """Raises the 429 problem when it is one too many, and the 503 problem as `Limits.add`."""
        count = await self.limits.add(rate, who)
        self.counts.append(count)
        if count.left < 0:
            raise TooMany(retry_after=count.wait)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """As draft-ietf-httpapi-ratelimit-headers-10 has them."""
        policies = ", ".join([count.rate.policy for count in self.counts])
        left = ", ".join(
            [f'"{one.rate.name}";r={max(one.left, 0)};t={one.wait}' for one in self.counts]
        )
        return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", left.encode())]


def _user(scope: Scope) -> str:
    """Who is asking: the signed-in user, else the address."""
    claims = claims_of(scope)
    return _address(scope) if claims is None else f"user:{claims.user_id.hex}"


def _address(scope: Scope) -> str:
    # never a header: whoever sends it chooses it. A server that believes its proxy puts what the
    # proxy says here
    client = scope.get("client")
    host: str = client[0] if client else ""
    return f"address:{_network(host) if ':' in host else host}"


@lru_cache(10_000)
def _network(host: str) -> str:
    """Of IPv6 the /64, as who has one address there has them all."""
    try:
        address = IPv6Address(host)
    except AddressValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


def _asking(request: Request) -> _Asking:
    try:
        asking: _Asking = request.scope[_ASKING]
    except KeyError:
        raise RuntimeError(
            "This route is limited, but its app is not: call `limits.install(app, settings)`."
        ) from None
    return asking


@may_answer(429)
class _Middleware:
    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._default = limits.default
        self._unlimited = frozenset(
            route.path for route in health.router.routes if isinstance(route, APIRoute)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                await self._app(scope, receive, send)
            finally:
                await self._limits.close()
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asking = scope[_ASKING] = _Asking(self._limits)

        async def answer(message: Message) -> None:
            if asking.counts and message["type"] == "http.response.start":
                # a new list: this one may belong to a response that is sent more than once
                message["headers"] = [*message.get("headers", ()), *asking.headers()]
            await send(message)

        if self._default is not None and scope["path"] not in self._unlimited:
            try:
                await asking.count(self._default, _user(scope))
            except Problem as problem:
                await problem.response()(scope, receive, answer)
                return
        await self._app(scope, receive, answer)


@may_answer(429)
class Limit:
    """A dependency: at most so many requests to a route from each user, or else each address.

    `dependencies=[Depends(Limit("10/hour"))]`. On a router, each of its routes is counted by
    itself. Several limits on one route all hold. Raises ValueError for what is not a limit.
    """

    def __init__(self, rate: str, *, per: Literal["user", "address"] = "user") -> None:
        """`per="address"` for routes that make users, as who has many users is many."""
        self._rate = _rate(rate)
        self._who = _address if per == "address" else _user

    async def __call__(self, request: Request) -> None:
        who = self._who(request.scope)
        route = request.scope["endpoint"]
        await _asking(request).count(self._rate, f"{who}:{route.__module__}.{route.__qualname__}")


@may_answer(429)
class LoginLimit:
    """A dependency: how many logins may fail. Gives the route its `Attempts`.

    An account is counted together with the address that the attempts come from: who guesses is
    stopped, and whose account it is still gets in from elsewhere. An address is also counted by
    itself, over all the accounts that it tries. Raises ValueError for what is not a limit.
    """

    def __init__(self, account: str = "10/15minute", address: str = "100/hour") -> None:
        self._per_account = _rate(account, "login")
        self._per_address = _rate(address, "login-address")

    async def __call__(self, request: Request) -> "Attempts":
        return Attempts(
            _asking(request), self._per_account, self._per_address, _address(request.scope)
        )


class Attempts:
    """Counts the attempts to log in."""

    def __init__(self, asking: _Asking, per_account: _Rate, per_address: _Rate, who: str) -> None:
        self._asking = asking
        self._per_account = per_account
        self._per_address = per_address
        self._who = who

    @asynccontextmanager
    async def of(self, account: str) -> AsyncIterator[None]:
        """The block is one attempt, which failed when it raises. Raises the 429 problem, instead
        of trying, after too many failed ones; those under way count as failed until they succeed,
        so that many at once are no way around it."""
        asking, who = self._asking, self._who
        before = len(asking.counts)
        try:
            # the account first: a program that repeats one wrong password does not close the
            # address for everybody there
            await asking.count(self._per_account, f"{who}:{asking.limits.account(account)}")
            await asking.count(self._per_address, who)
            yield
        except (TooMany, Unavailable):
            await self._take_back(before)  # nothing was tried
            raise
        await self._take_back(before)

    async def _take_back(self, before: int) -> None:
        for count in self._asking.counts[before:]:
            await self._asking.limits.take_back(count)


LoginAttempts = Annotated[Attempts, Depends(LoginLimit())]
"""The attempts to log in: `async with attempts.of(email): …`."""
