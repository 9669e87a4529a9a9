"""Dedicated and private (S-1): an instance has a namespace of its own."""

from dedicated.api.findings import Finding


def check_namespace(namespace: str, *, senior: str) -> tuple[Finding, ...]:
    """`senior` is an older instance in the same namespace, or empty."""
    if not senior:
        return ()
    return (
        Finding(
            code="NamespaceShared",
            responsible="Customer",
            message=f"namespace {namespace} already holds the instance {senior}; "
            "one instance has one namespace (S-1)",
            action="delete this object and create it in a namespace of its own",
            blocks="Stalled",
        ),
    )
