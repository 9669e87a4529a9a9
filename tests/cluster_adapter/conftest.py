from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dedicated.cluster.client import Client, connect
from dedicated.cluster.pace import RetryPolicy
from dedicated.cluster.transport import Login
from fakeapi import FakeApi, fake_api


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with fake_api() as api:
        yield api


@pytest.fixture
async def client(api: FakeApi, tmp_path: Path) -> AsyncIterator[Client]:
    login = Login(kubeconfig=api.kubeconfig(tmp_path / "config"))
    async with connect(login, user_agent="dedicated-operator/test") as client:
        yield Client(client.transport, policy=RetryPolicy(budget=2.0, first=0.01, longest=0.02))
