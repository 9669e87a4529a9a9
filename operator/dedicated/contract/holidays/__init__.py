"""Public holidays of Switzerland and the canton of St. Gallen, one data file for each year (K-3).

The law names nine days besides Sundays (sGS 552.1 art. 2); the years ahead are reckoned from it as it
stands. A change of the law edits the years from then on; a year beyond the last file is an error until
its file is there.
"""

import tomllib
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from dedicated.contract.dates import Holidays

SWISS_TIME = "Europe/Zurich"


@cache
def swiss_holidays() -> Holidays:
    """The years that the operator knows. Raises ValueError for a file with a day of another year."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")]
    return Holidays(SWISS_TIME, dict(_year(file) for file in files))


def _year(file: Traversable) -> tuple[int, frozenset[date]]:
    year = int(file.name.removesuffix(".toml"))
    days = frozenset(tomllib.loads(file.read_text(encoding="utf-8")).values())
    strange = [day for day in days if type(day) is not date or day.year != year]
    if strange:
        raise ValueError(f"{file.name} holds {strange[0]}, which is not a day of {year}")
    return year, days
