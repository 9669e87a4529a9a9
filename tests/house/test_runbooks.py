"""Runbooks: each is followed by a test, and who follows one finds each fault of a page."""

import re
from pathlib import Path

import pytest

from runbooks.following import Reader, not_shown, reader
from runbooks.reading import Command, PageError, Section, parse, read_page

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = sorted((CHECKOUT / "docs" / "runbooks").glob("*.md"))
INDEX = CHECKOUT / "docs" / "runbooks" / "README.md"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
PAGE = """# A day

| set first | to |
|---|---|
| `WHO` | somebody |

## First

```sh
greeting="hello $WHO"
mkdir here && cd here
```

Then, a step further in:

   ```console
   $ echo "$greeting" \\
       and others; echo; echo last
   hello ... others
   last
   $ basename "$PWD"
   here
   ```

```yaml
shown: and not run
```

## Second

```sh
test "$greeting" = "hello jane"
```
"""


def following(text: str, folder: Path, **variables: str) -> Reader:
    """Who follows all of a page."""
    page = parse("day.md", text)
    with reader(page, folder, variables=variables, env=ENVIRONMENT) as found:
        for section in page.sections:
            found.follow(section.title)
    return found


def test_a_page_is_taken_apart_and_followed_as_by_one_shell(tmp_path: Path) -> None:
    page = parse("day.md", PAGE)
    assert page.variables == {"WHO"}
    first = Section(
        "First",
        (
            Command('greeting="hello $WHO"\nmkdir here && cd here', 10),
            Command('echo "$greeting" \\\n    and others; echo; echo last', 17, ("hello ... others", "last")),
            Command('basename "$PWD"', 21, ("here",)),
        ),
    )
    assert page.sections[0] == first
    found = following(PAGE, tmp_path, WHO="jane")
    assert found.done == ["First", "Second"]
    assert len(found.took) == 4


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (PAGE.replace("hello $WHO", "helo $WHO"), "not shown, or not in this order: 'hello ... others'"),
        (PAGE.replace('test "$greeting"', 'test "$greting"'), "(?s)day.md:32: .*unbound variable"),
        (PAGE.replace("hello jane", "hello joe"), "exit 1 of day.md:32"),
        (PAGE.replace("mkdir here &&", "mkdr here &&"), "exit 127"),
    ],
)
def test_a_command_that_is_wrong_fails_where_it_stands(tmp_path: Path, broken: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        following(broken, tmp_path, WHO="jane")


def test_a_page_says_what_is_set_and_none_of_it_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"set by the page alone, or by the test alone: WHO"):
        following(PAGE, tmp_path)
    with (
        pytest.raises(AssertionError, match=r"followed \['First'\] of \['First', 'Second'\]"),
        reader(parse("day.md", PAGE), tmp_path, variables={"WHO": "jane"}, env=ENVIRONMENT) as found,
    ):
        found.follow("First")
    with pytest.raises(PageError, match="run or shown"):
        parse("day.md", PAGE.replace("```yaml", "```"))
    with pytest.raises(PageError, match="begins with a command"):
        parse("day.md", PAGE.replace('   $ echo "', '   echo "'))
    with pytest.raises(PageError, match="has no end"):
        parse("day.md", PAGE.removesuffix("```\n"))


def test_lines_are_found_in_order_whatever_stands_between() -> None:
    shown = "NAME   READY\nother\nacme   True   now\n"
    assert not_shown(("NAME READY", "...", "acme True ..."), shown) == ""
    assert not_shown(("acme True ...", "NAME READY"), shown) == "NAME READY"
    assert not_shown(("acme",), shown) == "acme"
    assert not_shown(("a.me ...",), shown) == "a.me ..."


@pytest.mark.parametrize("path", [path for path in PAGES if path != INDEX], ids=lambda path: path.stem)
def test_each_page_is_followed_by_a_test_and_named_in_the_index(path: Path) -> None:
    page = read_page(path)
    assert page.sections
    called = re.compile(rf'(followed\(|read_page\(PAGES / )\s*"{re.escape(path.name)}"')
    tests = (file.read_text() for file in (CHECKOUT / "tests" / "cluster").glob("test_runbook_*.py"))
    assert any(called.search(text) for text in tests), f"no test follows {path.name}"
    assert f"({path.name})" in INDEX.read_text()
