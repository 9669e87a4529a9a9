"""`python -m cluster.counting ARGUMENTS`: the operator, which at SIGUSR1 tells what it holds.

Into the file `$COUNTS`, as JSON: how many objects of each type. Garbage is collected only where the operator
itself asks for it, and before the count; `uncollected` are the terms there were until then.
"""

import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

from dedicated.cli.main import main
from dedicated.controllers.term import Term

OTHERS = frozenset({"aiohttp.client.ClientSession", "ssl.SSLContext", "_asyncio.Task", "threading.Thread"})
"""What counts besides our own types. Not connections: those at rest stay for some time."""


def tell(file: Path) -> None:
    """Write the counts."""
    uncollected = sum(isinstance(found, Term) for found in gc.get_objects())
    gc.collect()
    kinds = (f"{type(found).__module__}.{type(found).__qualname__}" for found in gc.get_objects())
    counts = Counter(kind for kind in kinds if kind.startswith("dedicated.") or kind in OTHERS)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"uncollected": uncollected, "counts": counts}))
    draft.rename(file)


if __name__ == "__main__":
    gc.disable()
    signal.signal(signal.SIGUSR1, lambda *_: tell(Path(os.environ["COUNTS"])))
    sys.exit(main(sys.argv[1:]))
