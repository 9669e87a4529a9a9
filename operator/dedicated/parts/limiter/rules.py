"""Words of HAProxy's rules."""


def put(name: str, expression: str, when: str = "") -> str:
    """Set a variable of the request. Where the expression has no value, it stays as it is."""
    return f"http-request set-var(txn.{name}) {expression}{_if(when)}"


def found(name: str) -> str:
    """The condition that a variable is set."""
    return f"{{ var(txn.{name}) -m found }}"


def source(expression: str, when: str = "") -> str:
    """Take an address for that of the client, from here on."""
    return f"http-request set-src {expression}{_if(when)}"


def answer(text: str, when: str = "") -> str:
    """Answer here."""
    return f"http-request return status {text}{_if(when)}"


def _if(when: str) -> str:
    return f" if {when}" if when else ""


def indented(lines: list[str]) -> list[str]:
    """The lines of a section."""
    return [f"    {line}" for line in lines]
