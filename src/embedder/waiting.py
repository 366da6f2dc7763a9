"""The log says what this process waits for: not at once, since most waits are short, and rarely from then on."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_FIRST, _FACTOR = 5.0, 4.0  # seconds: after 5, 20, 80, ...
_SHORTEST, _LONGEST = 0.01, 0.5  # seconds between two looks


class Waiting:
    """One wait, from when it is made to its end.

    Args:
        clock: Seconds.
        sleep: Waits for some seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._begun, self._next, self._pause = clock(), _FIRST, _SHORTEST

    def tell(self, what: Callable[[], str]) -> None:
        """Say what is waited for, if it is time to.

        Args:
            what: Which file or process, called only then.
        """
        waited = self._clock() - self._begun
        if waited >= self._next:
            logger.info("waiting for %s: %.0f s so far", what(), waited)
            self._next *= _FACTOR

    def pause(self, what: Callable[[], str]) -> None:
        """Wait until the next look, longer each time; see `tell`."""
        self.tell(what)
        self._sleep(self._pause)
        self._pause = min(1.5 * self._pause, _LONGEST)
