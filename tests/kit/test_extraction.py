import zlib

import pytest

from apiwright.kit.extraction import Unreadable, text_of
from tests.kit.documents import encrypted, pdf

pytestmark = pytest.mark.anyio

HTML = b"""<html><head><title>Trains</title><style>p {}</style><script>alert(1)</script></head>
<body><h2>By night</h2><p>One <b>sleeps</b>.</p></body></html>"""


@pytest.mark.parametrize(
    ("content", "media_type", "text"),
    [
        (b"one\r\ntwo", "text/plain", "one\ntwo"),
        ("\ufeffschön".encode(), "text/plain", "schön"),
        ("schön".encode("utf-16"), "text/plain", "schön"),
        (b"# One\n\ntwo\n", "text/markdown", "# One\n\ntwo\n"),
        (HTML, "text/html", "Trains\n\n## By night\n\nOne **sleeps**."),
        (pdf("One", "Two"), "application/pdf", "One\n\nTwo"),
        (encrypted(pdf("Open"), ""), "application/pdf", "Open"),
    ],
)
async def test_a_file_is_read(content: bytes, media_type: str, text: str) -> None:
    assert (await text_of(content, media_type)).strip() == text.strip()


@pytest.mark.parametrize(
    ("content", "media_type", "why"),
    [
        (b"\xff\xfe\xff", "text/plain", "damaged|UTF-8"),
        (b"caf\xe9", "text/plain", "UTF-8"),
        (b" \n", "text/plain", "empty"),
        (b"x" * 5_000_001, "text/plain", "characters"),
        (b"<div>" * 50_000, "text/html", "nested"),
        (encrypted(pdf("Secret"), "word"), "application/pdf", "encrypted"),
        (pdf(""), "application/pdf", "no text"),
        (b"%PDF-1.4 and no more", "application/pdf", "damaged"),
        (b"", "application/pdf", "damaged|empty"),
        (b"GIF89a", "image/gif", "not read"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why(
    content: bytes, media_type: str, why: str
) -> None:
    with pytest.raises(Unreadable, match=why):
        await text_of(content, media_type)


async def test_a_file_that_takes_all_memory_takes_that_of_its_own_process() -> None:
    with pytest.raises(Unreadable):
        await text_of(bomb(), "application/pdf")


def bomb() -> bytes:
    """A page of more than a gigabyte, packed."""
    packer = zlib.compressobj(1)
    megabytes = b" " * 10_000_000
    packed = b"".join(packer.compress(megabytes) for _ in range(120)) + packer.flush()
    return (
        b"%%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [4 0 R] /Count 1 >>\nendobj\n"
        b"3 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream\nendobj\n"
        b"4 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 3 0 R >>\nendobj\n"
        b"trailer\n<< /Root 1 0 R >>\n%%%%EOF\n" % (len(packed), packed)
    )
