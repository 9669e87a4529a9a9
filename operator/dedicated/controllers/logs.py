"""Log lines for machines or people, and the last net under secrets.

We never log bodies, so secrets should not get here. Errors of other libraries may still quote a connection
string or a header: `redact` masks the forms in which secrets travel, in every message and every traceback.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

_MASKS = (
    (re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL), r"[\1: ***]"),
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@]*):[^\s]*@"), r"\1:***@"),
    (re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)[^\s\"',}]+"), r"\1***"),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), r"\1***"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "***"),
    (
        re.compile(r"(?i)((?:password|passwd|secret|token|masterkey)[\"']?\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"),
        r"\1***",
    ),
    (re.compile(r"(?i)([\"'](?:password|secret|token|masterkey)[\"']\s*:\s*)(\"[^\"]*\"|'[^']*')"), r"\1***"),
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """The text with connection passwords, tokens and PEM blocks masked."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object per line: `timestamp`, `level`, `logger`, `message`, then plain values of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line without line breaks."""
        line: dict[str, object] = {
            "timestamp": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and isinstance(value, str | int | float):
                line.setdefault(name, redact(value) if isinstance(value, str) else value)
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """For a terminal: time, level, logger, message, and the traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, more with a traceback."""
        text = f"{_when(record)} {record.levelname:<7} {record.name}: {redact(record.getMessage())}"
        return f"{text}\n{redact(self.formatException(record.exc_info))}" if record.exc_info else text


def configure(
    *, level: str, form: Literal["json", "text"], stream: TextIO | None = None
) -> logging.Handler:
    """Send all loggers of the process to `stream` (standard error) in one form; returns the handler."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One line per request to /healthz, or per object handed over, tells nobody anything.
    for name in ("aiohttp.access", "kopf.objects"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return handler


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
