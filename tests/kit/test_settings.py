import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr, ValidationError

from apiwright.errors import ApiwrightError
from apiwright.kit import settings

URL, KEY = "postgresql://ada:hunter22@db.example/shop", "k" * 32


class Settings(settings.Settings):
    app_name: ClassVar[str] = "shop"

    greeting: str = "Hello"


_READ = ("FASTAPI_ENV", "DATABASE_URL", "SECRET_KEY", "PREVIOUS_SECRET_KEYS", "REFRESH_TOKEN_DAYS")


@pytest.fixture(autouse=True)
def _in_an_empty_folder_with_nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*_READ, "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def refusal() -> str:
    with pytest.raises(ValidationError) as refused:
        Settings()
    return str(refused.value)


def test_nothing_said_is_production_which_guesses_nothing() -> None:
    assert "DATABASE_URL and SECRET_KEY not set" in refusal()


@pytest.mark.parametrize(
    "environment", ["production", "staging", "testing", "dev", "Development", "development ", ""]
)
def test_only_development_is_development(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_ENV", environment)
    assert "FASTAPI_ENV=development" in refusal()


def test_no_other_variable_declares_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "development")
    refusal()


def test_development_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_ENV", "development")
    assert Settings().development
    assert Settings().database_url is None


def test_production_needs_two_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    assert "SECRET_KEY not set. This is production" in refusal()
    monkeypatch.setenv("SECRET_KEY", KEY)
    production = Settings()
    assert not production.development
    assert production.signing_key() == KEY


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY"])
def test_an_empty_value_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each, value in {"DATABASE_URL": URL, "SECRET_KEY": KEY, name: ""}.items():
        monkeypatch.setenv(each, value)
    assert f"{name} not set" in refusal()
    monkeypatch.setenv("FASTAPI_ENV", "development")
    Settings()


def test_no_refusal_repeats_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("SECRET_KEY", "hunter22hunter22hunter22hunter2")
    assert "secret_key" in refusal()
    assert "hunter22" not in refusal()


def test_no_secret_is_shown_when_settings_are_printed() -> None:
    shown = Settings(
        fastapi_env="production", database_url=SecretStr(URL), secret_key=SecretStr(KEY)
    )
    for text in (repr(shown), str(shown), shown.model_dump_json()):
        assert "hunter22" not in text
        assert KEY not in text


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "1.5"])
def test_a_token_lives_for_whole_minutes(minutes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_ENV", "development")
    monkeypatch.setenv("ACCESS_TOKEN_MINUTES", minutes)
    assert "access_token_minutes" in refusal()


def test_the_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(
        "# ours\nFASTAPI_ENV=development\nGREETING='Grüß Gott'\nSECRET_KEY=\nSOMEBODY_ELSES=1\n"
    )
    assert Settings().development
    assert Settings().greeting == "Grüß Gott"
    monkeypatch.setenv("GREETING", "Servus")
    monkeypatch.setenv("FASTAPI_ENV", "production")
    assert "This is production" in refusal()


def test_the_roles_carry_the_apps_name() -> None:
    ours = Settings(fastapi_env="development")
    assert (ours.user_role, ours.system_role) == ("shop_user", "shop_system")


def test_development_keeps_a_random_key_for_nobody_else_to_read() -> None:
    key = Settings(fastapi_env="development").signing_key()
    assert len(key) == 64
    assert Settings(fastapi_env="development").signing_key() == key
    assert stat.S_IMODE(Path(".data/secret-key").stat().st_mode) == 0o600
    assert [file.name for file in Path(".data").iterdir()] == ["secret-key"]


def test_two_projects_have_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for name in ("shop", "copy"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        keys.add(Settings(fastapi_env="development").signing_key())
    assert len(keys) == 2


def test_who_starts_at_once_agrees_on_one_key(tmp_path: Path) -> None:
    ours = Settings(fastapi_env="development")
    for n in range(20):
        (tmp_path / f"{n}").mkdir()
        os.chdir(tmp_path / f"{n}")
        with ThreadPoolExecutor(8) as starts:
            keys = set(starts.map(lambda _: ours.signing_key(), range(8)))
        assert len(keys) == 1
        assert [file.name for file in Path(".data").iterdir()] == ["secret-key"]


def test_processes_that_start_at_once_agree_on_one_key() -> None:
    program = (
        "from apiwright.kit.settings import Settings; ours = Settings();"
        "print(flush=True); input(); print(ours.signing_key())"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=os.environ | {"FASTAPI_ENV": "development"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for start in starts:
        assert start.stdout is not None
        start.stdout.readline()
    keys = {start.communicate("\n")[0] for start in starts}
    assert len(keys) == 1


def test_a_key_that_cannot_be_kept_is_said_in_words() -> None:
    Path(".data").touch()
    with pytest.raises(
        ApiwrightError, match=r"cannot be kept in \.data/secret-key: File exists"
    ) as refused:
        Settings(fastapi_env="development").signing_key()
    assert "Set SECRET_KEY" in refused.value.todo


# keys that are pairs, and keys that were


PAIR = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
PRIVATE = PAIR.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = PAIR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ESCAPED, PUBLIC_ESCAPED = PRIVATE.replace("\n", "\\n"), PUBLIC.replace("\n", "\\n")


@pytest.fixture
def in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("written", [PRIVATE, ESCAPED, ESCAPED.removesuffix("\\n")])
def test_a_pem_may_stand_in_one_line(written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", written)
    assert Settings().signing_key().strip() == PRIVATE.strip()


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_so_it_may_in_the_file(quote: str) -> None:
    previous = f"{PUBLIC_ESCAPED},{KEY}"
    Path(".env").write_text(
        f"SECRET_KEY={quote}{ESCAPED}{quote}\nPREVIOUS_SECRET_KEYS={quote}{previous}{quote}\n"
    )
    assert Settings().signing_key() == PRIVATE
    assert [key.strip() for key in Settings().previous_keys()] == [PUBLIC.strip(), KEY]


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("", []),
        ("o" * 32, ["o" * 32]),
        (f"{'o' * 32} , {'p' * 32}", ["o" * 32, "p" * 32]),
        (f'["{"o" * 30},,"]', ["o" * 30 + ",,"]),
        (f'["{PUBLIC_ESCAPED}"]', [PUBLIC]),
    ],
)
def test_previous_keys_are_parted_by_commas_or_written_as_json(
    written: str, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("PREVIOUS_SECRET_KEYS", written)
    assert Settings().previous_keys() == keys


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize(
    "written", ["hunter22", f"{'o' * 32},", f",{'o' * 32}", "[", "[1]", '{"a": 1}', '[["x"]]']
)
def test_a_previous_key_that_is_none_is_refused_and_not_repeated(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv("PREVIOUS_SECRET_KEYS", written)
    said = refusal()
    assert "previous_secret_keys" in said
    assert "hunter22" not in said


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("name", ["SECRET_KEY", "PREVIOUS_SECRET_KEYS"])
@pytest.mark.parametrize("damage", [slice(0, 40), slice(0, 70), slice(0, 100)])
def test_a_damaged_pem_is_refused_in_words(
    name: str, damage: slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", KEY)
    monkeypatch.setenv(name, (ESCAPED[damage] + " " * 40)[:119])
    said = refusal()
    assert "SECRET_KEY or PREVIOUS_SECRET_KEYS: This key is neither a shared secret nor" in said
    assert ESCAPED[40:60] not in said


@pytest.mark.usefixtures("in_production")
def test_a_public_key_is_no_secret_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", PUBLIC)
    assert "this one is public" in refusal()


@pytest.mark.parametrize("days", ["0", "-1", "soon"])
def test_a_login_lasts_for_whole_days(days: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAPI_ENV", "development")
    monkeypatch.setenv("REFRESH_TOKEN_DAYS", days)
    assert "refresh_token_days" in refusal()
