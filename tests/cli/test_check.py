"""`dedicated check`: what admission and the first pass would say, each with field, value, reason and fix."""

import json
from pathlib import Path

import pytest

from api.constraints import RULE
from api.counterexamples import FULL, SMALL, Case, cases
from api.counterexamples import instance as counter_instance
from api.edge_examples import SERVICE
from cli.running import NOW, WINDOW, golden, instance, record, run, written
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.cli.verdicts import Verdict, verdicts

FREEZE: Manifest = {"from": "2027-01-01T00:00:00Z", "until": "2027-03-20T00:00:00Z", "reason": "migration"}
AGREED: Manifest = {"agreements": [{"clause": "S-2", "record": "two-zones"}]}
TWO_ZONES: Manifest = {**AGREED, "infrastructure": {"zones": {"minimum": 2}}}


def judged(body: Manifest) -> tuple[Verdict, ...]:
    return verdicts(body, (), catalogue=None, now=NOW)


REFUSED = [case for case in cases() if case.before is None and case.constraint.path[:1] in {("spec",), ()}]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{n}:{case.constraint.id[:60]}") for n, case in enumerate(REFUSED)]
)
def test_what_the_api_server_refuses_is_refused_at_the_same_field(case: Case) -> None:
    found = judged(case.body)
    assert {verdict.by for verdict in found} == {"Admission"}
    at = [verdict for verdict in found if f"{case.field}.".startswith(f"{verdict.field}.")]
    assert at, found
    if case.constraint.keyword == RULE:
        assert case.says in {verdict.reason for verdict in at}


def test_a_version_that_is_not_served_is_refused() -> None:
    (found,) = judged({**instance(), "apiVersion": "dedicated.zitadel.com/v2"})
    assert (found.field, found.value) == ("apiVersion", "dedicated.zitadel.com/v2")
    assert found.fix == "write dedicated.zitadel.com/v1alpha1"


def test_there_are_enough_counterexamples() -> None:
    assert len(REFUSED) > 100


@pytest.mark.parametrize("spec", [SMALL, FULL])
def test_what_the_api_server_takes_is_not_refused(spec: JsonValue) -> None:
    assert {verdict.by for verdict in judged(counter_instance(spec))} <= {"FirstPass"}


def test_a_good_file_has_nothing_said_of_it(tmp_path: Path) -> None:
    file = written(tmp_path, "good.yaml", instance(maintenance={"windows": [WINDOW]}))
    ran = run("check", "-f", file)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"acme ({file}): nothing to say; windows and freezes hold for 13 months\n"


def test_what_is_refused_is_told_with_field_value_reason_and_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = instance(
        "Premium",
        release={"chanel": "stable"},
        agreements=[{"clause": "S-2", "record": "a"}, {"clause": "S-2", "record": "b"}],
        maintenance={"windows": [{"recurrence": "FREQ=DAILY", "start": "02:00", "duration": "1h"}]},
    )
    get_map(body, "spec").pop("domain")
    written(tmp_path, "refused.yaml", {**body, "metadata": {"name": "Acme", "namespace": "acme"}})
    ran = run("check", "-f", "refused.yaml")
    assert ran.code == 1
    assert ran.out == golden("check-refused")


def test_the_first_due_date_that_cannot_be_kept_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    maintenance: Manifest = {
        "windows": [{**WINDOW, "recurrence": "FREQ=MONTHLY;BYMONTH=1,4,7,10;BYDAY=2SU"}],
        "freezes": [FREEZE],
    }
    written(tmp_path, "frozen.yaml", instance(maintenance=maintenance))
    ran = run("check", "-f", "frozen.yaml")
    assert ran.code == 1
    assert ran.out == golden("check-first-pass")


def test_options_that_can_have_no_effect_are_told(tmp_path: Path) -> None:
    hosted: Manifest = {"class": "SelfHosted", "owner": "Customer"}
    ran = run("check", "-f", written(tmp_path, "own.yaml", instance(options=["WAF"], infrastructure=hosted)))
    assert ran.code == 1
    assert "OptionsWithoutEffect" in ran.out


def test_a_looser_value_holds_only_with_its_record(tmp_path: Path) -> None:
    file = written(tmp_path, "two.yaml", instance(**TWO_ZONES))
    without = run("check", "-f", file)
    assert without.code == 1
    assert "AgreementNotValid" in without.out
    agreement: Manifest = {"clause": "S-2", "value": "2", "validFrom": "2026-01-01T00:00:00Z"}
    given = written(
        tmp_path,
        "records.yaml",
        record("two-zones", "2026-01-01T00:00:00Z", "Agreement", reference="contract", agreement=agreement),
    )
    assert run("check", "-f", file, "--records", given).code == 0
    over: Manifest = {**agreement, "validUntil": "2026-11-01T00:00:00Z"}
    ended = written(
        tmp_path,
        "records.yaml",
        record("two-zones", "2026-01-01T00:00:00Z", "Agreement", reference="contract", agreement=over),
    )
    assert run("check", "-f", file, "--records", ended).code == 1


def test_the_way_in_and_the_limits_are_judged(tmp_path: Path) -> None:
    edge: Manifest = {**SERVICE, "gatway": {}}
    ran = run("check", "-f", written(tmp_path, "a.yaml", instance(edge=edge, rateLimit={"limit": 10})))
    assert ran.code == 1
    assert "spec.edge.gatway" in ran.out
    assert "did you mean gateway?" in ran.out
    assert "spec.rateLimit.limit = 10" in ran.out


def test_a_record_without_effect_on_limits_is_told(tmp_path: Path) -> None:
    raised: Manifest = {"range": "203.0.113.7/24", "factor": 2, "validUntil": "2027-01-01T00:00:00Z"}
    told = record("o", "2026-11-01T00:00:00Z", "Override", reference="T-1", reason="NAT", override=raised)
    file = written(tmp_path, "a.yaml", instance(edge=SERVICE, maintenance={"windows": [WINDOW]}))
    ran = run("check", "-f", file, "--records", written(tmp_path, "r.yaml", told), "-o", "json")
    assert json.loads(ran.out)[0]["findings"] == [
        {
            "by": "FirstPass",
            "field": "RecordWithoutEffect",
            "reason": "o has no effect: override.range 203.0.113.7/24: 203.0.113.7 is one address of "
            "203.0.113.0/24",
            "fix": "write 203.0.113.0/24 for all of it, or 203.0.113.7/32 for the one",
            "responsible": "Provider",
        }
    ]


def test_without_records_it_is_said_that_none_were_read(tmp_path: Path) -> None:
    file = written(tmp_path, "two.yaml", instance(**TWO_ZONES))
    assert "no records were read (--records)" in run("check", "-f", file).out


def test_a_release_that_the_catalogue_does_not_have(tmp_path: Path) -> None:
    file = written(tmp_path, "instance.yaml", instance())
    releases = tmp_path / "releases.yaml"
    releases.write_text("images: {server: s, login: l}\nversions: [{version: v4.14.0}]\n")
    ran = run("check", "-f", file, "--releases", str(releases), "-o", "json")
    assert ran.code == 1
    assert json.loads(ran.out)[0]["findings"] == [
        {
            "by": "FirstPass",
            "field": "ReleaseUnknown",
            "reason": "spec.release.version v4.15.2 is not in the release catalogue (versions: v4.14.0)",
            "fix": "choose one of these, or have it added to chart value releases.versions",
            "responsible": "Provider",
        }
    ]


def test_every_instance_of_a_file_is_judged(tmp_path: Path) -> None:
    bad = instance("Premium")
    file = written(tmp_path, "two.yaml", instance(), bad)
    ran = run("check", "-f", file, "-o", "yaml")
    assert ran.code == 1
    assert ran.out.count("name: acme") == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: [", "while parsing"),
        ("kind: Deployment", "holds no DedicatedInstance (1 other objects)"),
        ("- a\n- b", "expected a JSON object"),
        ("kind: DedicatedInstance\nkind: DedicatedInstance", "the key kind stands twice"),
        ("", "holds no DedicatedInstance (0 other objects)"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_wrong_argument(text: str, says: str) -> None:
    ran = run("check", "-f", "-", stdin=text)
    assert ran.code == 2
    assert says in ran.err
    assert ran.err.startswith("dedicated: -: ")
    assert ran.err.count("\n") == 1


def test_the_examples_are_as_good_as_they_say() -> None:
    checkout = Path(__file__).resolve().parents[2]
    quickstart = [*checkout.glob("examples/quickstart/*instance*.yaml")]
    imports = [*checkout.glob("examples/import-*.yaml")]
    assert (len(quickstart), len(imports)) == (1, 3)
    for file in (*quickstart, *imports):
        ran = run("check", "-f", str(file))
        assert (ran.code, ran.err) == (0, "")
    whole = json.loads(run("check", "-f", str(checkout / "examples" / "instance.yaml"), "-o", "json").out)
    assert [finding["field"] for finding in whole[0]["findings"]] == ["AgreementNotValid"]


def test_a_region_that_is_not_on_the_map_is_told_and_the_operators_map_has_more(tmp_path: Path) -> None:
    file = written(
        tmp_path, "alps.yaml", instance(infrastructure={"dataLocation": {"region": "Alps"}})
    )
    ran = run("check", "-f", file, "-o", "json")
    assert ran.code == 1
    (said,) = [item for item in json.loads(ran.out)[0]["findings"] if item["field"] == "RegionUnknown"]
    assert "'Alps' is not known; known are GDPR safe countries, Global, Switzerland" in said["reason"]
    places = tmp_path / "places.yaml"
    places.write_text("regions: {Alps: [CH, AT]}", encoding="utf-8")
    ran = run("check", "-f", file, "--places", str(places), "-o", "json")
    assert "RegionUnknown" not in ran.out
    places.write_text("regions: {Alps: [Austria]}", encoding="utf-8")
    ran = run("check", "-f", file, "--places", str(places))
    assert (ran.code, "regions.Alps" in ran.err) == (2, True)
