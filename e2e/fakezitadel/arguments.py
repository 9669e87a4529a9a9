"""The argument line of the `zitadel` binary: words first, then the flags that the command knows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from fakezitadel.runtime import FatalError, Runtime

MASTERKEY_FLAGS = frozenset({"--masterkey", "--masterkeyFile", "--masterkeyFromEnv"})
SWITCHES = frozenset({"--masterkeyFromEnv", "--init-projections", "--for-mirror"})
INIT_FLAGS = frozenset({"--config"})
START_FLAGS = MASTERKEY_FLAGS | {"--config", "--tlsMode"}
COMMANDS = {
    "init": INIT_FLAGS,
    "init user": INIT_FLAGS,
    "init database": INIT_FLAGS,
    "init grant": INIT_FLAGS,
    "init schema": INIT_FLAGS,
    "init zitadel": INIT_FLAGS,
    "setup": START_FLAGS | {"--steps", "--init-projections", "--for-mirror"},
    "setup cleanup": INIT_FLAGS,
    "start": START_FLAGS,
    "ready": INIT_FLAGS,
}
TLS_MODES = ("enabled", "external", "disabled")
MASTERKEY_MISSING = "masterkey must either be provided by file path, value or environment variable"


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command with its flags. The masterkey's flags are (flag, value) and not resolved yet."""

    command: str
    config: tuple[str, ...]
    steps: tuple[str, ...]
    masterkey: tuple[tuple[str, str], ...]
    tls_mode: str
    init_projections: bool
    for_mirror: bool


def parse(argv: Sequence[str]) -> Arguments:
    """The arguments; FatalError with the usage for an unknown command or flag."""
    words = list(takewhile(lambda word: not word.startswith("-"), argv))
    command = " ".join(words)
    if command not in COMMANDS:
        raise FatalError(f"unknown command {command!r}; usage: zitadel {' | '.join(COMMANDS)} [flags]")
    flags = list(_flags(argv[len(words) :], command))
    on = {name for name, value in flags if value != "false"}
    tls_mode = next((value for name, value in reversed(flags) if name == "--tlsMode"), "")
    if tls_mode and tls_mode not in TLS_MODES:
        raise FatalError(f"--tlsMode must be one of {', '.join(TLS_MODES)}")
    return Arguments(
        command="init schema" if command == "init zitadel" else command,
        config=tuple(value for name, value in flags if name == "--config"),
        steps=tuple(value for name, value in flags if name == "--steps"),
        masterkey=tuple(flag for flag in flags if flag[0] in MASTERKEY_FLAGS and flag[0] in on),
        tls_mode=tls_mode,
        init_projections="--init-projections" in on,
        for_mirror="--for-mirror" in on,
    )


def _flags(argv: Sequence[str], command: str) -> Iterator[tuple[str, str]]:
    rest = iter(argv)
    for word in rest:
        name, given, value = word.partition("=")
        name = "--masterkeyFile" if name == "-m" else name
        if name not in COMMANDS[command]:
            known = " ".join(sorted(COMMANDS[command]))
            raise FatalError(f"unknown flag {name}; usage: zitadel {command} [{known}]")
        if name in SWITCHES:
            value = value or "true"
            if value not in {"true", "false"}:
                raise FatalError(f"invalid argument for {name}: must be true or false")
        elif not given:
            value = next(rest, "")
            if not value:
                raise FatalError(f"flag needs an argument: {name}")
        yield name, value


def masterkey(arguments: Arguments, runtime: Runtime) -> bytes:
    """The masterkey's raw bytes, of any length; LookupError unless exactly one source is named.

    A file is used as it is: a trailing newline counts.
    """
    match arguments.masterkey:
        case (("--masterkey", value),):
            return value.encode()
        case (("--masterkeyFile", name),):
            return runtime.path(name).read_bytes()
        case (("--masterkeyFromEnv", _),):
            return runtime.env.get("ZITADEL_MASTERKEY", "").encode()
        case _:
            raise LookupError(MASTERKEY_MISSING)
