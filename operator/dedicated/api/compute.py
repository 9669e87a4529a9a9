"""Amounts of processor, memory and storage in a spec."""

from typing import Annotated

from pydantic import Field

from dedicated.api.rules import ApiModel

Quantity = Annotated[str, Field(max_length=20, pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]


class Compute(ApiModel):
    """Amounts of processor and memory."""

    cpu: Quantity | None = None
    memory: Quantity | None = None


class Resources(ApiModel):
    """Compute resources of one container."""

    requests: Compute | None = None
    limits: Compute | None = None


class Storage(ApiModel):
    """A volume."""

    size: Quantity
    class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="StorageClass. Default: the cluster's."
    )
