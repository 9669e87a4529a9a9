"""Images for real nodes: OCI archives from Debian packages, our wheel and our Go tools, without a registry.

`reference(NAME)` is what a pod names, `archive(NAME, ...)` a file that `ctr -n k8s.io images import`,
`docker load` and `kind load image-archive` read; both build what is missing. Images are kept in
`$DEDICATED_CACHE/images`, by a key of everything that goes into them: a changed image has a changed
reference.

Each image is a Dockerfile in `recipes/`, the operator's the repository's own. They are executed by
`images.stage` over one base, so that nodes import the base once. `python -m images build` builds all,
`list` says what there is.

Limits: needs root and Debian's mmdebstrap (`e2e/images/install.sh`); amd64; versions of Debian packages are
those of the day of the build.
"""

from images.build import archive, reference, repository
from images.recipes import NAMES

__all__ = ["NAMES", "archive", "reference", "repository"]
