"""OpenTelemetry is FastAPI's own; what leaves through it has its secrets hidden as logs have."""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import _logs, trace
from opentelemetry.attributes import BoundedAttributes

from apiwright.kit.redaction import redacted, redacted_text

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider, ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider

    P = TypeVar("P", TracerProvider, LoggerProvider)


def install() -> None:
    """When FASTAPI_OTEL_AUTO_CONFIGURE is true: make the providers that FastAPI adds its exporters
    to at start-up, unless the app has made its own. Called by `logs.install`."""
    if os.environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").lower() != "true":
        return
    try:
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:  # FastAPI says at start-up what to install
        return
    # FastAPI ends its exporters itself
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(redact(TracerProvider(shutdown_on_exit=False)))
    if not isinstance(_logs.get_logger_provider(), LoggerProvider):
        _logs.set_logger_provider(redact(LoggerProvider(shutdown_on_exit=False)))


def redact(provider: "P") -> "P":
    """Hide secrets in what a provider of the SDK exports, and return it. Before its exporters are
    added: they are asked in this order."""
    asked: Any = provider
    if hasattr(provider, "add_span_processor"):
        asked.add_span_processor(_Redaction())
    else:
        asked.add_log_record_processor(_Redaction())
    return provider


def ids() -> dict[str, str]:
    """The ids of the current span, for a log record; none without tracing."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


class _Redaction:
    """A processor of spans and of log records: the SDK asks for methods, not for a class, which
    would have to be imported by those who export nothing. A span that ended is no longer meant to
    be changed, so private names of the SDK are used; tests hold them to its version."""

    def on_start(self, span: "Span", parent_context: object = None) -> None: ...

    def _on_ending(self, span: "Span") -> None: ...

    def on_end(self, span: "ReadableSpan") -> None:
        changed: Any = span
        changed._name = redacted_text(span.name)
        changed._attributes = _attributes(span.attributes)
        changed._events = [
            type(event)(event.name, _attributes(event.attributes), event.timestamp)
            for event in span.events
        ]
        if span.status.description:
            changed._status = trace.Status(
                span.status.status_code, redacted_text(span.status.description)
            )

    def on_emit(self, log_record: "ReadWriteLogRecord") -> None:
        record = log_record.log_record
        record.body = redacted(record.body)
        record.attributes = _attributes(record.attributes)

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def _attributes(attributes: Mapping[str, Any] | None) -> Any:
    hidden = redacted(dict(attributes or {}))
    if "url.query" in hidden:  # which parameters, not their values
        hidden["url.query"] = re.sub(r"=[^&]*", "=", hidden["url.query"])
    return BoundedAttributes(attributes=hidden, immutable=True)
