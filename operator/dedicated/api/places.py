"""What an operator's configuration says of places: regions of the contract, and where things are (D-1).

It is data that the chart brings (a ConfigMap, mounted as a file), beside the map that is built in.
"""

from typing import Annotated

from pydantic import Field

from dedicated.api.rules import ApiModel

Country = Annotated[str, Field(pattern=r"^([A-Z]{2}|\*)$")]
Countries = Annotated[list[Country], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1, max_length=253)]


class Places(ApiModel):
    """Regions of the contract by name, and places, each with its countries (ISO 3166 alpha-2).

    A place is a cloud and its region (`aws:eu-central-2`), a node's region label where the cluster is of no
    known cloud, a store's host (`minio.example.com`) or a region of it (`minio.example.com/zrh`), or the
    target of a replication outside Amazon's store (`replica:BUCKET`).
    """

    regions: dict[Name, Countries] = Field({})
    places: dict[Name, Countries] = Field({})
