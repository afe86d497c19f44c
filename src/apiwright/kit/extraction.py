"""The text of a file: plain text, Markdown, HTML or PDF.

Files come from strangers, so each is read in a process of its own with little memory and little
time: what it does there, nobody else notices.

`python -m apiwright.kit.extraction MEDIA_TYPE` reads a file from standard input and writes JSON:
its text, or why it has none.
"""

import asyncio
import codecs
import contextlib
import io
import json
import logging
import re
import resource
import sys
from collections.abc import Callable
from weakref import WeakKeyDictionary

from markdownify import MarkdownConverter
from pypdf import PdfReader

_SECONDS = 60
_AT_ONCE = 2  # each may take all of its memory
_MEMORY = 1024**3  # of address space
_MOST_CHARACTERS = 5_000_000
_MOST_PAGES = 5_000


_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class Unreadable(Exception):
    """Why a file has no text, in words for whoever uploaded it."""


async def text_of(content: bytes, media_type: str) -> str:
    """Markdown of HTML, the pages of a PDF one after another, the rest as it is, with lines ended
    by \\n. Takes a minute at most. Raises Unreadable."""
    if media_type not in READERS:
        raise Unreadable(f"Files of the type {media_type} are not read.")
    async with _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)):
        return await _text_of(content, media_type)


async def _text_of(content: bytes, media_type: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", __name__, media_type,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            out, _ = await process.communicate(content)
    except TimeoutError:
        raise Unreadable("It takes too long to read.") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        said: dict[str, str] = json.loads(out)
    except ValueError:
        raise Unreadable("It cannot be read: it takes too much memory or time.") from None
    if "text" not in said:
        raise Unreadable(said["error"])
    return said["text"]


def _plain(content: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding)
    return content.decode()


def _html(content: bytes) -> str:
    try:
        text: str = MarkdownConverter(heading_style="ATX", strip=["img"]).convert(_plain(content))
    except RecursionError:
        raise Unreadable("Its elements are nested too deeply.") from None
    return re.sub(r"\n{3,}", "\n\n", text)


def _pdf(content: bytes) -> str:
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("It is encrypted: save it without a password.")
    if len(reader.pages) > _MOST_PAGES:
        raise Unreadable(f"It has more than {_MOST_PAGES} pages.")
    text = "\n\n".join(page.extract_text() for page in reader.pages)
    if not text.strip():
        raise Unreadable("It holds no text, only pictures of it.")
    return text


READERS: dict[str, Callable[[bytes], str]] = {
    "text/plain": _plain,
    "text/markdown": _plain,
    "text/html": _html,
    "application/pdf": _pdf,
}
"""What reads which media type."""


def _read(content: bytes, media_type: str) -> dict[str, str]:
    try:
        text = READERS[media_type](content)
    except Unreadable as error:
        return {"error": str(error)}
    except UnicodeDecodeError:
        return {"error": "It is not text in UTF-8."}
    except MemoryError:
        return {"error": "It takes too much memory to read."}
    except Exception as error:  # a parser's, of what a stranger wrote
        return {"error": f"It is damaged ({type(error).__name__})."}
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    text = text.encode("utf-8", "replace").decode()  # lone surrogates cannot be stored
    if len(text) > _MOST_CHARACTERS:
        return {"error": f"It has more than {_MOST_CHARACTERS} characters."}
    if not text.strip():
        return {"error": "It is empty."}
    return {"text": text}


def main() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (most, most))
    logging.disable()
    said = _read(sys.stdin.buffer.read(), sys.argv[1])
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
