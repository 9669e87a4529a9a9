"""Answers to lists: split however they are written, refused where they end early."""

import json

import pytest

from dedicated.api.json import Manifest
from dedicated.api.objects import CONFIG_MAP
from dedicated.cluster.client import Client
from dedicated.cluster.errors import NO_ANSWER, ApiError
from dedicated.cluster.page import split
from fakeapi import FakeApi, raw_answer

ITEM: Manifest = {"metadata": {"name": "[x]", "resourceVersion": "5"}}
HEAD = '{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"c"},'
TAIL = '"kind":"XList","metadata":{"continue":"c","resourceVersion":"7"}}'


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (HEAD + '"items":[]}\n', 0),
        (HEAD + '"items":[ITEM]}\n', 1),
        (HEAD + '"items":[ITEM,ITEM]}\n', 2),
        (HEAD + '"items": [ITEM, ITEM]}', 2),
        ('{"apiVersion":"v1","items":[ITEM,ITEM],' + TAIL, 2),
        (HEAD.removesuffix(",") + "}", 0),
    ],
)
def test_a_page_is_split_however_it_is_written(text: str, number: int) -> None:
    written = json.dumps(ITEM, separators=(",", ":"))
    head, items = split(text.replace("ITEM", written).encode())
    assert head["metadata"] == {"resourceVersion": "7", "continue": "c"}
    assert list(items) == [ITEM] * number


@pytest.mark.parametrize(
    "text", ["", "[]", HEAD, HEAD + '"items":[{"metadata":{}},{"me', HEAD + '"items":[{}']
)
def test_a_page_that_ends_early_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Unterminated"):
        list(split(text.encode())[1])


def test_items_are_decoded_when_they_are_asked_for() -> None:
    _, items = split((HEAD + '"items":[{"metadata":{}},nonsense]}').encode())
    assert next(items) == {"metadata": {}}
    with pytest.raises(ValueError, match="Expecting value"):
        next(items)


async def test_a_list_that_ends_early_is_told(api: FakeApi, client: Client) -> None:
    api.scripts.append(raw_answer(b'{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{}},'))
    with pytest.raises(ApiError) as caught:
        await client.list(CONFIG_MAP)
    assert caught.value.reason == NO_ANSWER
