"""The report: every scenario is in it, also what was not run; the page needs nothing from anywhere."""

import json
import re
from html.parser import HTMLParser

from clients.rows import Outcome, Row
from dedicated.api.json import as_manifest, get_list, get_str
from scenarios.catalogue import catalogue
from scenarios.model import Figure, Result
from scenarios.page import page
from scenarios.record import FULL, FULL_BEFORE, Mark, Measurement, State
from scenarios.report import missed, report

ALL = catalogue(store_away=600)
OUTCOMES: tuple[Outcome, Outcome] = ("ok", "failed")
ROWS = tuple(
    Row(at=100 + at / 4, kind="write", outcome=OUTCOMES[80 < at < 100], seconds=0.1, detail="<cut off>")
    for at in range(200)
)
SEEN = Measurement(
    begun=100,
    ended=150,
    rows=ROWS,
    states=(State(100, "instance", "Ready", "True"), State(122, "instance", "Ready", "False", "RollingOut")),
    marks=(Mark(120, "fault", "node <2> crashes"), Mark(130, "heal", "undone")),
    numbers={FULL_BEFORE: 12.3456, FULL: 80},
)
RESULTS = (
    Result(ALL[1], "met", "", (Figure("failed requests", 0, "requests", "<= 0", True),), SEEN),
    Result(ALL[2], "not run", "no second release & no slot"),
)
REPORT = report(RESULTS, unasked=ALL[3:], about={"provider": "played"}, seconds=12.3)


class Page(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Whatever could load something."""
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        assert tag not in ("script", "link", "iframe")

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text.append(data)


def read() -> Page:
    """The page of the report."""
    parser = Page()
    parser.feed(page(REPORT))
    return parser


def test_the_report_is_json_and_holds_each_scenario_once() -> None:
    names = [get_str(as_manifest(one), "name") for one in get_list(REPORT, "scenarios")]
    assert sorted(names) == sorted(one.name for one in (*ALL[1:],))
    assert json.loads(json.dumps(REPORT)) == REPORT


def test_requests_are_counted_by_the_second() -> None:
    told = as_manifest(get_list(REPORT, "scenarios")[0])
    counts = as_manifest(as_manifest(told["requests"])["write"])["perSecond"]
    assert isinstance(counts, list)
    assert sum(one[1] + one[2] for one in counts) == len(ROWS)  # type: ignore[index, operator, misc]
    assert sum(one[2] for one in counts) == 19  # type: ignore[index, misc]


def test_what_clients_were_told_stands_after_what_was_done_before() -> None:
    told = as_manifest(get_list(REPORT, "scenarios")[0])
    assert told["errors"] == [{"after": "node <2> crashes", "text": "write: - <cut off>", "count": 19}]


def test_the_page_refers_to_nothing_outside_of_it() -> None:
    parser = read()
    assert all(reference.startswith("#") for reference in parser.references)
    assert not re.search(r"url\(|@import|https?:", page(REPORT))


def test_the_page_tells_what_was_not_run_and_why_and_escapes_what_it_tells() -> None:
    text = " ".join(read().text)
    assert "no second release & no slot" in text
    assert "not chosen for this run" in text
    assert "node <2> crashes" in text
    assert "<cut off>" in text
    assert "processors full before, %: 12.346 processors full, %: 80" in text


def test_every_scenario_names_a_clause_of_the_contract_and_has_a_name_of_its_own() -> None:
    assert len({one.name for one in ALL}) == len(ALL)
    assert all(re.fullmatch(r"[A-Z]{1,2}-\d+", one.clause) for one in ALL)
    assert all(one.promise.endswith(".") and one.target for one in ALL)


def test_the_smoke_selection_needs_no_engine_of_its_own() -> None:
    smoke = {one.name for one in ALL if one.smoke}
    assert smoke == {"fresh-install", "config-change", "pod-lost", "limiter-lost", "node-crash"}
    assert all("own-database" not in one.needs for one in ALL if one.smoke)


def test_a_scenario_of_which_nothing_was_seen_is_not_met() -> None:
    """No verdict may be kept by a measurement in which nothing happened."""
    nothing = Measurement(begun=0, ended=10)
    for one in ALL:
        assert any(figure.met is False for figure in one.verdict(nothing)), one.name


def test_times_are_judged_only_where_all_is() -> None:
    slow = Result(ALL[1], "missed", "", (Figure("longest outage", 30, "s", "< 20", met=False),))
    lost = Result(ALL[1], "missed", "", (Figure("acknowledged writes lost", 1, "writes", "<= 0", met=False),))
    failed = Result(ALL[1], "failed", "not whole")
    assert [missed([one], "losses") for one in (slow, lost, failed)] == [False, True, True]
    assert all(missed([one]) for one in (slow, lost, failed))
    assert not missed(RESULTS)
