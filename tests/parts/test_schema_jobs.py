"""The Jobs that make and change the database schema."""

import pytest

from builders import EXISTING, OWN_KEY, children, containers, instance, named, wanted
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.parts import schema
from dedicated.parts.wanted import Wanted


def job(of: Wanted, which: str) -> Manifest:
    """A Job's spec."""
    name = schema.init_ref(of).name if which == "init" else schema.setup_ref(of).name
    return get_map(named(children(of), "Job", name), "spec")


def variables(manifest: Manifest) -> dict[str, Manifest]:
    """The environment of a container."""
    return {get_str(item, "name"): get_map(item, "valueFrom") for item in get_list(manifest, "env")}


def of_setup(of: Wanted) -> tuple[Manifest, Manifest]:
    """Its containers: cleanup, setup."""
    cleanup, setup = containers(get_map(job(of, "setup"), "template"))
    return cleanup, setup


both = pytest.mark.parametrize("which", ["init", "setup"])


@both
def test_no_deadline_ends_a_job_in_mid_step(which: str) -> None:
    spec = job(wanted(), which)
    assert "activeDeadlineSeconds" not in spec
    assert "activeDeadlineSeconds" not in get_map(spec, "template", "spec")
    assert "ttlSecondsAfterFinished" not in spec, "a finished Job tells what was done"


@both
def test_one_attempt_at_a_time(which: str) -> None:
    spec = job(wanted(), which)
    assert (spec["parallelism"], spec["completions"]) == (1, 1)
    assert spec["podReplacementPolicy"] == "Failed", "a lost pod must be known to be dead first"
    assert get_str(spec, "template", "spec", "restartPolicy") == "Never"
    assert spec["backoffLimit"] == schema.RETRIES


def test_every_setup_first_frees_what_a_killed_one_left() -> None:
    cleanup, setup = of_setup(wanted())
    assert get_list(cleanup, "args")[:2] == ["setup", "cleanup"]
    assert get_list(setup, "args")[0] == "setup"
    assert "cleanup" not in get_list(setup, "args")
    assert "--init-projections=true" in get_list(setup, "args")


def test_init_asks_for_no_administrator_of_the_database() -> None:
    (init,) = containers(get_map(job(wanted(), "init"), "template"))
    assert get_list(init, "args")[:2] == ["init", "schema"]
    assert not [name for name in variables(init) if "ADMIN" in name]


def test_init_is_for_new_databases_only() -> None:
    assert schema.needs_init(wanted())
    assert not schema.needs_init(wanted(instance(keys=OWN_KEY, database=EXISTING)))


def test_the_first_password_comes_from_its_secret_and_to_setup_alone() -> None:
    cleanup, setup = of_setup(wanted())
    assert get_map(variables(setup)[schema.PASSWORD_VARIABLE], "secretKeyRef") == {
        "name": "acme-admin",
        "key": "password",
    }
    assert schema.PASSWORD_VARIABLE not in variables(cleanup)


def test_a_first_password_brought_along_is_used() -> None:
    own: Manifest = {"admin": {"passwordSecretRef": {"name": "mine", "key": "first"}}}
    _, setup = of_setup(wanted(instance(firstInstance=own)))
    assert get_map(variables(setup)[schema.PASSWORD_VARIABLE], "secretKeyRef") == {
        "name": "mine",
        "key": "first",
    }


def test_existing_data_needs_no_first_password() -> None:
    _, setup = of_setup(wanted(instance(keys=OWN_KEY, database=EXISTING)))
    assert schema.PASSWORD_VARIABLE not in variables(setup)


def test_a_setup_has_a_name_of_its_own_for_each_release() -> None:
    assert schema.setup_ref(wanted()) != schema.setup_ref(wanted(version="v4.16.0"))
    assert schema.init_ref(wanted()) == schema.init_ref(wanted(version="v4.16.0"))


def test_all_containers_run_the_release() -> None:
    of = wanted(version="v4.16.0")
    for which in ("init", "setup"):
        for container in containers(get_map(job(of, which), "template")):
            assert container["image"] == of.release.server_image
