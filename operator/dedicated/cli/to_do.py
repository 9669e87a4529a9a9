"""What a command tells of a judgement: conditions that are not good, and findings with who must act."""

from collections.abc import Sequence

from dedicated.api.json import JsonValue, get_str
from dedicated.cli.terminal import say, show, table


def tell(judged: Sequence[JsonValue], found: Sequence[JsonValue]) -> None:
    """The `judged` conditions and the findings of a status."""
    bad = [item for item in judged if get_str(item, "status") != "True"]
    say(f"\nConditions: {len(judged) - len(bad)} of {len(judged)} as they should be", "bold")
    if bad:
        rows = [[get_str(item, key) for key in ("type", "status", "reason", "message")] for item in bad]
        show(table(["CONDITION", "STATUS", "REASON", "MESSAGE"], rows))
    say(f"\nFindings: {len(found) or 'none'}", "bold")
    if found:
        words = [[get_str(item, key) for key in ("responsible", "code", "action")] for item in found]
        show(table(["WHO", "CODE", "TO DO"], words))
