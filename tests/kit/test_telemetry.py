import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from apiwright.kit import problems, telemetry

PLANTED = "hunter2"
TEXT = f"password={PLANTED}"


class Exported:
    """An app with telemetry, and what left it."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK's
        self.tracers = telemetry.redact(TracerProvider(shutdown_on_exit=False))
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.loggers = telemetry.redact(LoggerProvider(shutdown_on_exit=False))
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self.app = FastAPI(
            telemetry={"tracer_provider": self.tracers, "logger_provider": self.loggers}
        )
        problems.install(self.app)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def spans(self) -> list[str]:
        return [span.to_json() for span in self._spans.get_finished_spans()]

    def logs(self) -> list[str]:
        return [record.to_json() for record in self._logs.get_finished_logs()]


@pytest.fixture
def exported() -> Iterator[Exported]:
    exported = Exported()
    yield exported
    exported.tracers.shutdown()
    exported.loggers.shutdown()


def test_a_request_leaves_no_body_and_no_value_of_its_query(exported: Exported) -> None:
    @exported.app.post("/orders/{order_id}")
    async def post(order_id: str, data: dict[str, str], code: str = "", n: int = 0) -> str:
        return PLANTED

    sent = {"password": PLANTED, "anything": PLANTED}
    headers = {"Authorization": f"Bearer {PLANTED}", "Cookie": f"sid={PLANTED}"}
    answer = exported.client.post(f"/orders/1?code={PLANTED}&n=1", json=sent, headers=headers)
    assert answer.status_code == 200
    refused = exported.client.post(f"/orders/1?n={PLANTED}", json=[sent], headers=headers)
    assert refused.status_code == 422
    assert PLANTED not in "".join(exported.spans() + exported.logs())
    assert any("POST /orders/{order_id}" in span for span in exported.spans())
    assert any('"url.query": "code=&n="' in span for span in exported.spans())
    assert any("Request validation failed" in record for record in exported.logs())


def test_an_exception_leaves_without_its_secrets(exported: Exported) -> None:
    @exported.app.get("/")
    async def fails() -> None:
        with exported.tracers.get_tracer("shop").start_as_current_span(TEXT) as span:
            span.set_attribute("api_key", PLANTED)
            span.set_attribute("said", [TEXT, TEXT])
            span.add_event("asked", {"text": TEXT})
            raise RuntimeError(TEXT)

    assert exported.client.get("/").status_code == 500
    spans, records = "".join(exported.spans()), "".join(exported.logs())
    assert PLANTED not in spans + records
    assert "RuntimeError: password=[hidden]" in spans
    assert "RuntimeError: password=[hidden]" in records
    assert spans.count('"api_key": "[hidden]"') == 1
    assert spans.count('"text": "password=[hidden]"') == 1


def test_what_is_not_redacted_would_leave() -> None:
    """So that the tests above would fail without it."""
    bare, seen = TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()
    bare.add_span_processor(SimpleSpanProcessor(seen))
    app = FastAPI(telemetry={"tracer_provider": bare})
    TestClient(app).get(f"/?token={PLANTED}")
    assert any(PLANTED in span.to_json() for span in seen.get_finished_spans())


def test_a_record_of_the_log_knows_its_span(exported: Exported) -> None:
    assert telemetry.ids() == {}
    with exported.tracers.get_tracer("shop").start_as_current_span("x") as span:
        context = span.get_span_context()
        assert telemetry.ids() == {
            "trace_id": trace.format_trace_id(context.trace_id),
            "span_id": trace.format_span_id(context.span_id),
        }


AUTOMATIC = """
import logging
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from apiwright.kit import telemetry

telemetry.install()
telemetry.install()
# what FastAPI does with its own exporters at start-up
spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(spans))
_logs.get_logger_provider().add_log_record_processor(SimpleLogRecordProcessor(logs))
app = FastAPI()

@app.get("/")
async def fails():
    raise RuntimeError("password=" + "hunter" + "2")

TestClient(app, raise_server_exceptions=False).get("/?code=hunter2")
for one in (*spans.get_finished_spans(), *logs.get_finished_logs()):
    print(one.to_json())
"""


def run(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_turned_on_by_the_environment_it_redacts() -> None:
    text = run(AUTOMATIC, FASTAPI_OTEL_AUTO_CONFIGURE="true")
    assert "url.query" in text
    assert "exception.stacktrace" in text
    assert PLANTED not in text


def test_turned_off_it_imports_nothing() -> None:
    code = (
        "import sys; from apiwright.kit import telemetry; telemetry.install(); print(*sys.modules)"
    )
    assert "opentelemetry.sdk" not in run(code)
