import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import SecretStr, ValidationError

from apiwright.errors import ApiwrightError
from apiwright.kit import settings

URL, KEY = "postgresql://ada:hunter22@db.example/shop", "k" * 32


class Settings(settings.Settings):
    app_name: ClassVar[str] = "shop"

    greeting: str = "Hello"


@pytest.fixture(autouse=True)
def _in_an_empty_folder_with_nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FASTAPI_ENV", "ENVIRONMENT", "DATABASE_URL", "SECRET_KEY"):
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
