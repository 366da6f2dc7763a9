"""Work through a long list in waves of a few seconds, with progress shown and results saved as it goes."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")

_SMALLEST_WAVE = 8
_LARGEST_WAVE = 4096


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Items per second."""
        return Text("" if task.speed is None else f"{task.speed:.1f} prompts/s")


def run_in_waves(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], None],
    save: Callable[[], None],
    description: str,
    save_seconds: float,
) -> None:
    """Call `work` on slices of `items`, each followed by `save`: a kill loses the slice in flight and nothing else.

    The first wave is small, and later ones are made to take about `save_seconds`: large enough for the work to be
    batched well on any device, and small enough that little is lost. What was worked is saved also when an error or the
    user interrupts.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    size = _SMALLEST_WAVE
    done = 0
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(description, total=len(items))
        try:
            while done < len(items):
                started = time.monotonic()
                wave = items[done : done + size]
                work(wave)
                done += len(wave)
                progress.advance(bar, len(wave))
                save()
                rate = len(wave) / max(time.monotonic() - started, 1e-6)
                size = int(min(max(rate * save_seconds, _SMALLEST_WAVE), 4 * size, _LARGEST_WAVE))
        finally:
            save()
