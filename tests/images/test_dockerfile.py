"""The Dockerfiles of images: what is read from them, and what is refused."""

import pytest

from images.dockerfile import Config, Copy, DockerfileError, Run, copies, parse
from images.keys import stages
from images.recipes import NAMES, RECIPES

BASE = {"base": Config({"PATH": "/bin"}, user="7")}

TEXT = """
# A comment
ARG BASE=nothing
FROM ${BASE} AS first
FROM scratch AS made
WORKDIR /work
COPY one two/ dir/
RUN a \\
 # in between
 && b
FROM base
ENV PATH=/own:$PATH WORDS="two words"
COPY --from=made /x /y
COPY --from=tools --chmod=750 p /p
LABEL a.b="c d"
USER 65532:65532
EXPOSE 80 81
ENTRYPOINT ["p"]
CMD ["run"]
"""


def test_stages_steps_and_configuration_are_read() -> None:
    first, made, last = parse(TEXT, arguments={"BASE": "base"}, parents=BASE)
    assert (first.parent, made.parent, last.parent) == ("base", "scratch", "base")
    assert made.steps == (Copy("", ("one", "two/"), "/work/dir/"), Run("a  && b", {}, "/work"))
    assert last.steps == (Copy("made", ("/x",), "/y"), Copy("tools", ("p",), "/p", 0o750))
    assert last.config == Config(
        {"PATH": "/own:/bin", "WORDS": "two words"},
        user="65532:65532",
        entrypoint=("p",),
        command=("run",),
        ports=("80", "81"),
        labels=(("a.b", "c d"),),
    )


def test_copies_from_outside_are_told_from_those_between_stages() -> None:
    found = copies(parse(TEXT, arguments={"BASE": "base"}, parents=BASE))
    assert [copy.source for copy in found] == ["", "tools"]


def test_an_entry_point_forgets_the_command_of_the_parent() -> None:
    parents = {"base": Config({}, entrypoint=("a",), command=("b",))}
    (stage,) = parse('FROM base\nENTRYPOINT ["c"]', arguments={}, parents=parents)
    assert (stage.config.entrypoint, stage.config.command) == (("c",), ())


@pytest.mark.parametrize(
    "text",
    [
        "FROM elsewhere",
        "RUN a",
        "FROM base\nHEALTHCHECK NONE",
        "FROM scratch\nCMD run",
        "FROM scratch\nCOPY --link a b",
        "FROM scratch\nUSER 1\nRUN a",
        "FROM scratch\nENV NAME value",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError):
        parse(text, arguments={}, parents=BASE)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"node", "kube-router"}])
def test_every_image_runs_as_somebody_without_rights(name: str) -> None:
    user = stages(RECIPES[name])[-1].config.user
    assert user.partition(":")[0].isdigit(), "a pod that must not be root needs a number"
    assert int(user.partition(":")[0]) > 0


def test_the_operators_dockerfile_is_what_is_built() -> None:
    build, last = stages(RECIPES["operator"])
    assert build.parent == last.parent == "base"
    assert last.config.user == "65532:65532"
    assert last.config.entrypoint == ("dedicated",)
    assert last.config.environment["PATH"].startswith("/opt/dedicated/bin:")
    assert Copy("build", ("/opt/dedicated",), "/opt/dedicated") in last.steps
