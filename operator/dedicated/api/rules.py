"""Rules between the fields of a resource: one statement for the API server and for ourselves.

The API server enforces a rule in CEL at admission. Objects older than a rule pass it by ratcheting,
so the operator judges the same rule again when it reads the object. Both forms stand side by side
here, and a test sends every rule's counter-example through both.
Limit: transition rules (`oldSelf`) exist in CEL alone; on read there is no old object.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from dedicated.api.json import JsonValue, Manifest


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a model.

    `cel` is true for a valid object. `holds` says the same in Python, or more where CEL cannot look,
    and is None for a transition rule. `field` is the offending field's path below the model, in JSON names.
    `shown` is the name of a text that the API server's refusal repeats: of an object it tells no value.
    """

    cel: str
    message: str
    field: str = ""
    holds: Callable[..., bool] | None = None
    optional_old_self: bool = False
    shown: str = ""

    def schema(self) -> Manifest:
        """The rule as an item of `x-kubernetes-validations`."""
        found: Manifest = {"rule": self.cel, "message": self.message}
        if self.field:
            found["fieldPath"] = "." + self.field
        if self.optional_old_self:
            found["optionalOldSelf"] = True
        if self.shown:
            found["messageExpression"] = f"{json.dumps(self.message)} + ' (it is ' + self.{self.shown} + ')'"
        return found

    def error(self) -> InitErrorDetails:
        """The rule, broken, as pydantic reports it: at the path of `field`."""
        kind = PydanticCustomError("rule", "{message}", {"message": self.message})
        return InitErrorDetails(type=kind, loc=tuple(self.field.split(".")) if self.field else (), input=None)


def _describe_rules(schema: dict[str, JsonValue], model: type[BaseModel]) -> None:
    rules: tuple[Rule, ...] = getattr(model, "rules", ())
    if rules:
        schema["x-kubernetes-validations"] = [rule.schema() for rule in rules]


class ApiModel(BaseModel):
    """Base of all our resource models: immutable, camelCase outside, unknown fields refused.

    Strict, as the API server is: "3" is not a number, and `true` is not 1.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        json_schema_extra=_describe_rules,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        broken = [rule.error() for rule in self.rules if rule.holds is not None and not rule.holds(self)]
        if broken:
            raise ValidationError.from_exception_data(type(self).__name__, broken)
        return self


def immutable(field: str, why: str) -> Rule:
    """A transition rule: the field keeps the value (or the absence) it was created with."""
    kept = f"!has(self.{field}) || self.{field} == oldSelf.{field}"
    return Rule(
        cel=f"has(self.{field}) == has(oldSelf.{field}) && ({kept})",
        message=f"{field} is immutable: {why}",
        field=field,
    )


def list_map(*keys: str) -> dict[str, JsonValue]:
    """Schema extra of a list whose items are told apart by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def list_set() -> dict[str, JsonValue]:
    """Schema extra of a list without duplicates."""
    return {"x-kubernetes-list-type": "set"}
