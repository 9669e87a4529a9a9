"""Names, labels and ownership of every child."""

import pytest

from builders import IDENTITY, MASTERKEY, UID, children, instance, wanted
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_NAME, LABEL_PART_OF
from dedicated.api.resource import Instance
from dedicated.parts import keys

LONGEST = "a" * 40
REBUILDABLE = children(wanted())


def lasting(of: Instance) -> list[Manifest]:
    """Every child that outlives its instance."""
    return [
        keys.masterkey_secret(of, MASTERKEY),
        keys.identity_config_map(of, IDENTITY),
        keys.key_pair_secret(of, keys.OPERATOR_KEY, private_pem=b"p", public_pem=b"q"),
        keys.key_pair_secret(of, keys.LOGIN_KEY, private_pem=b"p", public_pem=b"q"),
        keys.admin_secret(of, "password"),
    ]


LASTING = lasting(instance())


def ids(manifests: list[Manifest]) -> list[str]:
    """Names of test cases."""
    return [f"{item['kind']}-{get_str(item, 'metadata', 'name')}" for item in manifests]


@pytest.mark.parametrize("manifest", REBUILDABLE, ids=ids(REBUILDABLE))
def test_what_can_be_rebuilt_goes_with_its_instance(manifest: Manifest) -> None:
    assert get_list(manifest, "metadata", "ownerReferences") == [
        {
            "apiVersion": "dedicated.zitadel.com/v1alpha1",
            "kind": "DedicatedInstance",
            "name": "acme",
            "uid": UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


@pytest.mark.parametrize("manifest", LASTING, ids=ids(LASTING))
def test_keys_and_identity_outlive_it_and_cannot_be_edited(manifest: Manifest) -> None:
    assert "ownerReferences" not in get_map(manifest, "metadata")
    assert manifest["immutable"] is True


EVERY = REBUILDABLE + LASTING


@pytest.mark.parametrize("manifest", EVERY, ids=ids(EVERY))
def test_it_has_the_recommended_labels(manifest: Manifest) -> None:
    labels = get_map(manifest, "metadata", "labels")
    assert labels[LABEL_INSTANCE] == "acme"
    assert labels[LABEL_MANAGED_BY] == "dedicated-operator"
    assert labels[LABEL_NAME] == "zitadel"
    assert labels[LABEL_PART_OF] == "dedicated-instance"
    assert labels[LABEL_COMPONENT]
    assert "app.kubernetes.io/instance" not in labels, "GitOps tools would think it is theirs"
    assert get_str(manifest, "metadata", "namespace") == "acme-ns"


def test_names_and_labels_of_the_longest_instance_are_within_63_characters() -> None:
    of = instance(LONGEST)
    for manifest in [*children(wanted(of)), *lasting(of)]:
        assert len(get_str(manifest, "metadata", "name")) <= 63
        assert all(len(str(value)) <= 63 for value in get_map(manifest, "metadata", "labels").values())


def test_no_two_children_share_kind_and_name() -> None:
    names = [(item["kind"], get_str(item, "metadata", "name")) for item in EVERY]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("manifest", EVERY, ids=ids(EVERY))
def test_nothing_of_the_users_metadata_is_copied(manifest: Manifest) -> None:
    assert set(get_map(manifest, "metadata")) <= {"name", "namespace", "labels", "ownerReferences"}
