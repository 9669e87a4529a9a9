"""Entry point: `python -m fakezitadel server ARGS...` or `login`. Exit codes as ZITADEL's."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence

from fakezitadel import arguments
from fakezitadel.runtime import FatalError, PanicError, Runtime, from_environment, log
from fakezitadel.settings import Settings, load

NO_MASTERKEY_IN_SETUP = 2


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one program. Returns its exit code."""
    try:
        match argv:
            case ["server", *rest]:
                return _server(arguments.parse(rest), from_environment(env))
            case ["login", *_]:
                from fakezitadel import login

                return login.main(from_environment(env))
            case _:
                raise FatalError("usage: python -m fakezitadel server ARGS... | login")
    except FatalError as failure:
        log(str(failure), level="fatal")
        return 1
    except OSError as error:
        log(f"{error.strerror}: {error.filename}", level="fatal")
        return 1
    except PanicError as panic:
        log(str(panic), level="panic")
        return 2


def _server(given: arguments.Arguments, runtime: Runtime) -> int:
    masterkey = b""
    if given.command in {"setup", "start"}:
        try:
            masterkey = arguments.masterkey(given, runtime)
        except LookupError as error:
            raise (PanicError if given.command == "setup" else FatalError)(str(error)) from error
    settings, unknown = load(
        config=[runtime.path(name) for name in given.config],
        steps=[runtime.path(name) for name in given.steps],
        env=runtime.env,
    )
    if unknown:
        log(f"unknown configuration is ignored: {', '.join(unknown)}", level="warn")
    return _run(given, settings.with_tls_mode(given.tls_mode), runtime, masterkey)


def _run(given: arguments.Arguments, settings: Settings, runtime: Runtime, masterkey: bytes) -> int:
    match given.command.split():
        case ["init", *part]:
            from fakezitadel import schema

            schema.init(settings, runtime, part="".join(part))
        case ["setup", *part]:
            _setup(given, settings, runtime, masterkey, only_cleanup=bool(part))
        case ["start"]:
            from fakezitadel import serve

            return serve.start(settings, runtime, masterkey)
        case _:
            return _ready(settings, runtime)
    return 0


def _setup(
    given: arguments.Arguments, settings: Settings, runtime: Runtime, masterkey: bytes, *, only_cleanup: bool
) -> None:
    import psycopg

    from fakezitadel import steps
    from fakezitadel.database import connect, first_line

    if only_cleanup and runtime.faults.get("cleanup.fail"):
        raise FatalError("cleanup failed by a fault switch")
    connection = connect(settings, runtime)
    try:
        if only_cleanup:
            steps.cleanup(connection)
        else:
            steps.setup(steps.Setup(connection, settings, runtime, masterkey, given))
    except psycopg.Error as error:
        raise FatalError(first_line(error)) from error


def _ready(settings: Settings, runtime: Runtime) -> int:
    from http.client import HTTPException

    from fakezitadel.calls import get

    host = "localhost" if runtime.bind == "0.0.0.0" else runtime.bind
    try:
        answer = get(runtime, f"http://{host}:{settings.number('Port')}/debug/ready", headers={})
    except (OSError, HTTPException) as error:
        raise FatalError(f"not ready: {type(error).__name__}") from error
    return 0 if answer.status == 200 else 1


def _die_of_term() -> None:
    """Process 1 of a container has no default for SIGTERM: init and setup would outlive it."""
    if os.getpid() == 1:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


if __name__ == "__main__":
    _die_of_term()
    code = main(sys.argv[1:], dict(os.environ))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that wait for a dead database must not hold the process.
    os._exit(code)
