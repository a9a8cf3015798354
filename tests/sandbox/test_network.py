"""Who can be reached from a sandbox with the network on: not its neighbours, and not the host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import network
from sandbox.container import Sandbox
from sandbox.engine import Engine
from sandbox.errors import SandboxError
from sandbox.hostconfig import HostConfig
from sandbox.trust import HostTrust

PROBE = """
import socket, sys
for place in sys.argv[1:]:
    address, _, port = place.partition(":")
    try:
        with socket.create_connection((address, int(port)), 5) as line:
            print(address, line.recv(9).decode())
    except OSError as error:
        print(address, "no")
"""
SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 8765))
print("ready", flush=True)
while True:
    server.accept()[0].sendall(b"neighbour")
"""


@pytest.fixture
def service() -> Iterator[int]:
    """The port of a service on all of the host's addresses."""
    server = socket.create_server(("0.0.0.0", 0))  # noqa: S104 - that is the point

    def serve() -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            line.sendall(b"host")
            line.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield int(server.getsockname()[1])
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


@pytest.fixture(scope="module")
def online(engine: Engine, workbench: str) -> Iterator[Sandbox]:
    with engine.create(workbench, network=True, purpose="test") as sandbox:
        yield sandbox


def probe(sandbox: Sandbox, *places: str) -> list[str]:
    return sandbox.run(f"python3 -c '{PROBE}' {' '.join(places)}").output.splitlines()


def test_the_hosts_services_are_out_of_reach(
    engine: Engine, online: Sandbox, base_image: str, service: int
) -> None:
    if not str(engine.client.api.base_url).startswith("http+docker"):
        pytest.skip("the engine may be on another machine")
    places = [f"{address}:{service}" for address in network.host_addresses(engine.client)]
    plain = engine.client.containers.run(
        base_image, ["python3", "-c", PROBE, *places], network_mode="bridge", remove=True
    )
    assert b" host" in plain, "any other container reaches the service"
    assert all(line.endswith(" no") for line in probe(online, *places))


def test_neighbours_are_out_of_reach(engine: Engine, online: Sandbox, workbench: str) -> None:
    with engine.create(workbench, network=True, purpose="test") as other:
        other.run(
            f"python3 -c '{SERVE}' >/tmp/said 2>&1 & until grep -q . /tmp/said; do sleep 0.1; done"
        )
        address = other.run("hostname -i").output.strip()
        assert probe(other, f"{address}:8765") == [f"{address} neighbour"]
        assert probe(online, f"{address}:8765") == [f"{address} no"]


def test_the_internet_stays_in_reach(online: Sandbox) -> None:
    routes = online.run("ip route").output
    assert "default via" in routes
    assert "nameserver" in online.run("cat /etc/resolv.conf").output


def test_nothing_in_the_sandbox_can_open_the_way_again(online: Sandbox) -> None:
    refused = online.run("ip route show type unreachable").output.split()
    assert refused
    assert online.run(f"ip route del unreachable {refused[1]}").exit_code != 0
    assert online.run("ip route flush type unreachable").exit_code != 0
    assert online.run("ip route show type unreachable").output.split() == refused


def test_a_host_address_that_the_hosts_own_settings_name_stays_open(tmp_path: Path) -> None:
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("search example.org\nnameserver 192.0.2.53\nnameserver\n")
    config = HostConfig(
        proxies={"http_proxy": "http://192.0.2.8:3128"},
        pip={"index-url": ("https://192.0.2.9/simple",), "timeout": ("7",)},
    )
    needed = network.needed_addresses(HostTrust(config=config), resolver)
    assert needed == {"192.0.2.53", "192.0.2.8", "192.0.2.9"}


def test_a_network_that_is_not_kettles_is_not_used(engine: Engine) -> None:
    with pytest.raises(SandboxError, match="docker network rm bridge"):
        network.provide(engine.client, "bridge")
