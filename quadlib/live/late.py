"""What an explorer computes after its picture is shown, in slices, until a newer request comes."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

__all__ = ["Late"]


class Late:
    """Drive slices in a thread, or in the event loop of the kernel where no thread can start.

    Each `next` of `slices` is one slice: a few milliseconds, for which a slider has to wait at
    most. The first comes after `pause` seconds and when the `previous` slices have ended; they go
    on as long as they are `wanted`.
    """

    def __init__(
        self,
        slices: Iterator[None],
        wanted: Callable[[], bool],
        pause: float,
        previous: "Late | None",
    ) -> None:
        self._slices, self._wanted, self._pause = slices, wanted, pause
        self.thread: threading.Thread | None = threading.Thread(
            target=self._run, args=(previous,), daemon=True
        )
        try:
            self.thread.start()
        except RuntimeError:  # in the browser
            self.thread = None
            with suppress(RuntimeError):  # without a loop nobody drives: `finish` does
                self._task = asyncio.get_running_loop().create_task(self._take_turns())

    def finish(self, timeout: float | None = None) -> None:
        """Wait until all slices are done, or for `timeout` seconds."""
        if self.thread is not None:
            self.thread.join(timeout)
            return
        end = time.monotonic() + (threading.TIMEOUT_MAX if timeout is None else timeout)
        while time.monotonic() < end and self._advance():
            pass

    def _advance(self) -> bool:
        return self._wanted() and next(self._slices, self) is not self

    def _run(self, previous: "Late | None") -> None:
        if previous is not None:
            previous.finish()
        if self._wanted():
            time.sleep(self._pause)
        while self._advance():
            pass

    async def _take_turns(self) -> None:
        await asyncio.sleep(self._pause)
        while self._advance():
            await asyncio.sleep(0)  # here the next move of a slider comes in
