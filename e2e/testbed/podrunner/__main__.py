"""The runner's process: started by the supervisor."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import aiohttp
import yaml

from dedicated.api.json import Manifest, as_manifest
from testbed.front import serve_front
from testbed.pki import Authority
from testbed.podrunner.kube import connect
from testbed.podrunner.network import Addresses, claim_block
from testbed.podrunner.runner import Runner


async def run(options: argparse.Namespace, config: Manifest, addresses: Addresses) -> None:
    """Run pods and the front until SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    # Like kubelet: a new connection for every probe, to see what a new client sees.
    probing = aiohttp.TCPConnector(limit=0, force_close=True)
    async with connect(config) as kube, aiohttp.ClientSession(connector=probing) as session:
        runner = Runner(kube, session, options.directory, addresses)
        async with serve_front(options.front, Authority(options.pki), runner.backends):
            running = asyncio.create_task(runner.run())
            waiting = asyncio.create_task(ended.wait())
            done, _ = await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()
            for pod in list(runner.pods.values()):
                pod.cut_off()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            if running in done:
                sys.exit(1)


def main() -> None:
    """Parse the arguments that the supervisor gives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--pki", type=Path, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--front", required=True)
    options = parser.parse_args()
    if sys.version_info < (3, 12):
        # Until 3.12 the default starts a thread for every child, and forks beside those threads.
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    config = as_manifest(yaml.safe_load(options.kubeconfig.read_text()))
    with claim_block() as block:
        asyncio.run(run(options, config, Addresses(block)))


if __name__ == "__main__":
    main()
