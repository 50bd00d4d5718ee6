"""HTTP to the upstreams: one thread for all requests, so that each can be given up at once."""

import asyncio
import json
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..exceptions import UpstreamFailed, UpstreamUnreachable
from .refusals import refusal

if TYPE_CHECKING:
    import httpx2

_POLL = 0.1  # seconds between two looks at whether the client is still there
_CONNECT, _GET = 3, 5  # seconds
_LONGEST_ERROR = 64 << 10  # bytes


class Transport:
    """Asks upstreams, and keeps its connections to them.

    ``key`` is sent to all of them. One that sends nothing for ``silence`` seconds has failed.
    """

    def __init__(self, key: str | None, silence: float) -> None:
        # Not at the top: only those who have an upstream need it.
        import httpx2

        self._client = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(silence, connect=_CONNECT),
            limits=httpx2.Limits(max_connections=None),
        )
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def begin(self, work: Coroutine[Any, Any, None]) -> "Future[None]":
        """Runs ``work``, which may call `get`, in the thread of the connections."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def get(self, url: str) -> Any:
        """The JSON at ``url``. Raises `UpstreamUnreachable` and `UpstreamRefused`."""
        import httpx2

        try:
            response = await self._client.get(url, timeout=_GET)
            await _check(response)
            return json.loads(response.content)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise UpstreamUnreachable(_words(error)) from error

    def stream(self, url: str, body: Any, check: Callable[[], None]) -> Generator[Any]:
        """The JSON of each event of the answer to ``body``.

        ``check`` is called often and may raise. What is closed before its end is given up at once.
        Raises `UpstreamUnreachable` if no answer began, `UpstreamRefused` for an error, and
        `UpstreamFailed` for an answer that breaks off.
        """
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        end = object()

        async def read() -> None:
            try:
                async for event in self._events(url, json.dumps(body)):
                    events.put(event)
            finally:
                events.put(end)

        reading = self.begin(read())
        try:
            while True:
                check()
                try:
                    event = events.get(timeout=_POLL)
                except queue.Empty:
                    continue
                if event is end:
                    return reading.result()
                yield event
        finally:
            reading.cancel()

    async def _events(self, url: str, body: str) -> AsyncGenerator[Any]:
        import httpx2

        began = False
        head = {"Content-Type": "application/json"}
        try:
            async with self._client.stream("POST", url, content=body, headers=head) as response:
                began = True
                await _check(response)
                async for event in httpx2.EventSource(response):
                    if event.data == "[DONE]":
                        return
                    yield json.loads(event.data)
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            failure = UpstreamFailed if began else UpstreamUnreachable
            raise failure(_words(error)) from error


async def _check(response: "httpx2.Response") -> None:
    """Raises `UpstreamRefused` for an answer that is an error."""
    if response.status_code == 200:
        return
    text = b""
    async for chunk in response.aiter_bytes():
        text += chunk
        if len(text) > _LONGEST_ERROR:
            break
    said = None
    with suppress(ValueError):  # such as the page of a proxy
        said = json.loads(text)
    raise refusal(said, response.status_code, response.headers.get("Retry-After"))


def _words(error: Exception) -> str:
    """What went wrong. Some of these errors have no text."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")
