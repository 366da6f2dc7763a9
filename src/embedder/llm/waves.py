"""Work through a long list in waves of a few seconds, with progress shown and results saved as it goes."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from embedder.shown import shown

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_SMALLEST_WAVE = 8
_LARGEST_WAVE = 4096
_LOG_SECONDS = 60.0  # between two lines of progress where no terminal shows a bar


def run_in_waves(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], None],
    save: Callable[[], None],
    description: str,
    save_seconds: float,
    tokens_run: Callable[[], int] = lambda: 0,
    smallest: int = _SMALLEST_WAVE,
    what: str = "prompts",
) -> None:
    """Call `work` on slices of `items`, each followed by `save`: a kill loses the slice in flight and nothing else.

    The first wave is small, and later ones are made to take about `save_seconds`: large enough for the work to be
    batched well on any device, and small enough that little is lost. What was worked is saved also when an error or the
    user interrupts.

    Args:
        items: What there is to do.
        work: Does the items of one wave.
        save: Brings what was done to the disk.
        description: Of the work, for the bar, or for a line a minute in the log where there is no terminal.
        save_seconds: See above.
        tokens_run: Tokens that have gone through the LLM so far, for the rate that is shown.
        smallest: Wave, in items; the first one has so many.
        what: The items are.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    size = smallest
    done = 0
    begun = logged = time.monotonic()
    tokens_before = tokens_run()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(shown(description), total=len(items), rate="")
        try:
            while done < len(items):
                started = time.monotonic()
                wave = items[done : done + size]
                work(wave)
                done += len(wave)
                save()
                now = time.monotonic()
                rate = len(wave) / max(now - started, 1e-6)
                size = int(min(max(rate * save_seconds, smallest), 4 * size, _LARGEST_WAVE))
                seconds = max(now - begun, 1e-6)
                tokens = f"{(tokens_run() - tokens_before) / seconds:,.0f} tokens/s"
                progress.update(bar, advance=len(wave), rate=tokens)
                if not console.is_terminal and now - logged >= _LOG_SECONDS and done < len(items):
                    logged = now
                    left = timedelta(seconds=round((len(items) - done) * seconds / done))
                    logger.info("%s: %d of %d %s, %s, %s left", description, done, len(items), what, tokens, left)
        finally:
            save()
