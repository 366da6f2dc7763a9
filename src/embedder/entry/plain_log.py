"""Text is cleaned before it is logged, by this project or by a library that quotes data or a server."""

import logging

from embedder.entry.secrets import hide_environment
from embedder.shown import shown_lines

_LINE = 4000  # characters
_RECORD = 200_000  # characters; the tables of a large evaluation are a quarter of this


class ShownFilter(logging.Filter):
    """Rewrites the message of each record, its traceback included; it lets all of them pass.

    A line break inside a message starts a new line that looks like another record if its text says so: one that begins
    like the head of a record is moved by a space.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # a library's arguments that do not fit its message, which end no run
            text = f"{record.msg} {record.args}"
        record.msg, record.args = _fit(text), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = _fit(record.exc_text or logging.Formatter().formatException(record.exc_info))
        return True


def log_plainly() -> None:
    """Hold what all handlers of the root logger write to `shown_lines`; a second call changes nothing."""
    hide_environment()
    logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, is no traceback for each line
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, ShownFilter) for each in handler.filters):
            handler.addFilter(ShownFilter())


def _fit(text: str) -> str:
    lines = (shown_lines(line, _LINE) for line in shown_lines(text, _RECORD).split("\n"))
    return "\n".join(lines).replace("\n[", "\n [")
