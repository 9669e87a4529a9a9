"""`start`: check what must be right before serving, listen on one port, stop as ZITADEL stops.

h2c, HTTP/1.1 and gRPC share the port, or TLS where it is on. On SIGTERM the listener closes at once,
without a drain delay; open requests get 5 s, and what is left then makes the exit code 1.
"""

import asyncio
import base64
import contextlib
import os
import signal
import tempfile
import time
from functools import partial
from pathlib import Path

import psycopg
from hypercorn.asyncio import serve as listen
from hypercorn.config import Config

from fakezitadel import api, auth, keys, visit
from fakezitadel.database import Pool, connect, first_line, limited
from fakezitadel.first import identify_machine
from fakezitadel.runtime import FatalError, PanicError, Runtime, log
from fakezitadel.settings import Settings
from fakezitadel.steps import refuse_downgrade
from fakezitadel.web import Frame

GRACE_SECONDS = 5.0
START_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 120.0
CRASH_LOOK_SECONDS = 0.5


def start(settings: Settings, runtime: Runtime, masterkey: bytes) -> int:
    """Serve until SIGTERM. Returns the exit code; FatalError if it cannot start."""
    keys.check_length(masterkey)
    connection = connect(settings, runtime)
    try:
        with limited(connection, START_SECONDS):
            keys.opened(connection, masterkey)
            refuse_downgrade(connection, runtime.version)
    except psycopg.Error as error:
        raise FatalError(first_line(error)) from error
    if not identify_machine(settings):
        raise PanicError("none of the enabled methods for identifying the machine succeeded")
    service = visit.Service(
        settings=settings,
        runtime=runtime,
        pool=Pool(settings, runtime, first=connection),
        users=auth.system_users(settings, runtime),
        started=time.monotonic(),
    )
    with contextlib.ExitStack() as stack:
        return asyncio.run(_serve(service, _config(settings, runtime, stack)))


def _config(settings: Settings, runtime: Runtime, stack: contextlib.ExitStack) -> Config:
    config = Config()
    config.bind = [f"{runtime.bind}:{settings.number('Port')}"]
    config.graceful_timeout = GRACE_SECONDS
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.include_server_header = False
    config.loglevel = "WARNING"
    if settings.flag("TLS.Enabled"):
        config.certfile = str(_tls_file(settings, runtime, stack, "Cert"))
        config.keyfile = str(_tls_file(settings, runtime, stack, "Key"))
    return config


def _tls_file(settings: Settings, runtime: Runtime, stack: contextlib.ExitStack, kind: str) -> Path:
    path, content = settings.text(f"TLS.{kind}Path"), settings.text(f"TLS.{kind}")
    if content:
        # Only here is anything written: a pod's root is read-only.
        file = stack.enter_context(tempfile.NamedTemporaryFile(suffix=kind))  # noqa: SIM115 - the stack closes it
        file.write(base64.b64decode(content))
        file.flush()
        return Path(file.name)
    if not path or not runtime.path(path).is_file():
        raise FatalError(f"TLS is enabled, but TLS.{kind}Path or TLS.{kind} holds nothing usable")
    return runtime.path(path)


async def _serve(service: visit.Service, config: Config) -> int:
    faults = service.runtime.faults
    stop = asyncio.Event()

    def on_term() -> None:
        if not faults.get("start.ignoreTerm"):
            stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_term)
    crasher = asyncio.create_task(_crash_when_told(service))
    frame = Frame(partial(api.answer, service), version=service.runtime.version)
    try:
        await listen(frame, config, shutdown_trigger=stop.wait)
    except asyncio.CancelledError:
        # hypercorn ends so when it has cut requests off after the grace.
        if not stop.is_set():
            raise
    except OSError as error:
        raise FatalError(f"cannot listen on {config.bind[0]}: {error.strerror}") from error
    finally:
        crasher.cancel()
    delay = faults.seconds("start.stopDelay")
    await asyncio.sleep(min(delay, GRACE_SECONDS))
    clean = not frame.cut and delay <= GRACE_SECONDS
    log("shutdown completed" if clean else "shutdown timed out", level="info" if clean else "error")
    return 0 if clean else 1


async def _crash_when_told(service: visit.Service) -> None:
    while True:
        after = service.runtime.faults.seconds("start.crashAfter")
        if after and time.monotonic() - service.started >= after:
            log("crashed by a fault switch", level="error")
            os._exit(1)
        await asyncio.sleep(CRASH_LOOK_SECONDS)
