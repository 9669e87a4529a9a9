"""`/healthz` and `/metrics` of an agent, with as little of a web server as two pages need."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


@asynccontextmanager
async def serve(
    address: tuple[str, int], *, registry: CollectorRegistry, stuck: Callable[[], str]
) -> AsyncIterator[int]:
    """Serve the pages for the time of the block; gives the port, which is a free one where 0 was asked.

    `stuck` says why only a new process would help; empty: it would not.
    """

    async def healthz(_: web.BaseRequest) -> web.Response:
        why = stuck()
        return web.json_response({"ok": not why, "failed": [why] if why else []}, status=503 if why else 200)

    async def metrics(_: web.BaseRequest) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    pages = {"/healthz": healthz, "/metrics": metrics}

    async def answer(request: web.BaseRequest) -> web.Response:
        page = pages.get(request.path)
        return web.Response(status=404) if page is None else await page(request)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        site = web.TCPSite(runner, *address)
        await site.start()
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()
