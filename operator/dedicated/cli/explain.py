"""`dedicated explain`: a condition in words."""

import click
from click.shell_completion import CompletionItem

from dedicated.api.json import Manifest
from dedicated.cli.explanations import EXPLANATIONS, Explanation
from dedicated.cli.frame import output
from dedicated.cli.terminal import Output, emit, pairs, say, show, table


class _ConditionName(click.ParamType[str]):
    """A condition's name in any case; the shell completes it."""

    name = "condition"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as the status writes it."""
        found = {name.lower(): name for name in EXPLANATIONS}.get(value.lower())
        if found is None:
            near = f" (there are {', '.join(EXPLANATIONS)})"
            self.fail(f"no condition is named {value!r}{near}", param, ctx)
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin so."""
        del ctx, param
        return [
            CompletionItem(name, help=explanation.asks)
            for name, explanation in EXPLANATIONS.items()
            if name.lower().startswith(incomplete.lower())
        ]


@click.command(short_help="What a condition asks, and who acts.")
@click.argument("condition", type=_ConditionName(), required=False)
@output
def explain(condition: str | None, output: Output) -> None:
    """What CONDITION of a DedicatedInstance asks, by which clause, and who acts. Without one: all of them."""
    chosen = {condition: EXPLANATIONS[condition]} if condition else EXPLANATIONS
    if output != "table":
        emit({name: _as_json(explanation) for name, explanation in chosen.items()}, output)
    elif condition:
        _tell(condition, EXPLANATIONS[condition])
    else:
        rows = [(name, explanation.good, explanation.asks) for name, explanation in chosen.items()]
        show(table(["CONDITION", "GOOD", "ASKS"], rows))


def _as_json(explanation: Explanation) -> Manifest:
    return {
        "asks": explanation.asks,
        "good": explanation.good,
        "clauses": explanation.clauses,
        "acts": explanation.acts,
        "docs": explanation.docs,
    }


def _tell(name: str, explanation: Explanation) -> None:
    say(name, "bold")
    show(pairs([(key, str(value)) for key, value in _as_json(explanation).items()]))
