"""Writes each event and failure as one structured record, for people or for machines."""

import logging
import sys
from typing import Literal

import structlog

from tusd_py.events import Event, UploadRejected

log = logging.getLogger(__name__)


def configure_logs(*, log_format: Literal["text", "json"], level: str) -> None:
    """
    Send all records, aiohttp's included, to standard error: a line each, with the request's id.

    Args:
        log_format: `text` for people, `json` for machines.
        level: The least severe level that is written.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor]
    if log_format == "json":
        tracebacks = structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        )
        renderer = [tracebacks, structlog.processors.JSONRenderer()]
    else:
        # Plain: values of variables are not for the log, and drawing them takes half a second.
        renderer = [
            _write_out_what_terminals_obey,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Our own access log says more; asyncio's debug records say nothing an operator needs.
    logging.getLogger("aiohttp.access").disabled = True


def _write_out_what_terminals_obey(
    _: object, __: str, record: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    r"""
    Return *record* with control characters as `\x1b`, and no line that could pass for another's.

    Values may be a stranger's, and so may words of a message. JSON writes all this out anyway.
    """
    for name, value in record.items():
        if isinstance(value, str) and not value.isprintable():
            lines = value.split("\n") if name == "event" else [value]
            record[name] = "\n    ".join(map(_printable, lines))
    return record


def _printable(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def log_event(event: Event) -> None:
    """Write what happened to an upload; its metadata, which may be private, stays out."""
    upload = event.upload
    known = {
        "upload_id": upload.id,
        "offset": upload.offset,
        "length": upload.length,
        "owner": upload.owner or None,
    }
    if isinstance(event, UploadRejected):
        known |= {"by": event.by, "reason": upload.rejection}
    log.info(type(event).__name__, extra=known)
