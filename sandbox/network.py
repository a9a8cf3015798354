"""The network of sandboxes and build steps: the internet, but no neighbours and not the host.

All that may use the network share one Docker network, whose members cannot talk to each other;
Docker itself parts it from every other network. What Docker leaves open is the host: a service that
listens on all its addresses answers at the network's gateway, too. So a sandbox gets routes that
refuse the host's addresses. They are set from outside, by a container of Kettle's own that shares
nothing but the sandbox's network, and nothing in the sandbox has the right to remove them.

An address of the host that the host's own settings send its clients to (a name server, a proxy, a
package index) stays open: without it there would be no network at all. Build steps cannot be
guarded like this, since the engine starts them by itself; they are parted from their neighbours.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import docker
import docker.errors

from sandbox.cache import locked
from sandbox.daemon import engine_errors, explain
from sandbox.errors import SandboxError
from sandbox.trust import HostTrust

NETWORK = "kettle"
NONE = "none"
"""The engine's word for loopback alone."""
OPTIONS = {"com.docker.network.bridge.enable_icc": "false"}
"""No communication between the members."""
GUARD_S = 60
"""Longest life of the container that sets the routes; half a second is usual."""
_REFUSE = 'for address; do ip route add unreachable "$address" || exit; done'
_RESOLVER = Path("/etc/resolv.conf")
_LOCAL_ADDRESSES = Path("/proc/net/fib_trie")


def provide(client: docker.DockerClient, name: str = NETWORK) -> str:
    """Gives the name of the network, made if need be; it stays, as the base images do.

    Args:
        client: connected to the engine.
        name: of the network.

    Raises:
        SandboxError: a network of that name lets its members talk to each other.
    """
    with engine_errors(f"provide the network {name}"), locked(f"network-{name}"):
        found = client.networks.list(names=[f"^{name}$"])
        if not found:
            client.networks.create(name, options=OPTIONS, check_duplicate=True)
            return name
    options = found[0].attrs.get("Options") or {}
    if any(options.get(option) != value for option, value in OPTIONS.items()):
        raise SandboxError(
            f"The Docker network {name} was not made by Kettle: its members may talk to each "
            f"other. Remove it (`docker network rm {name}`) and Kettle makes its own."
        )
    return name


def guard(
    client: docker.DockerClient,
    container_id: str,
    *,
    image: str,
    trust: HostTrust,
    labels: dict[str, str],
) -> None:
    """Closes the way from a container to the host.

    Args:
        client: connected to the engine.
        container_id: a running container in the network.
        image: Kettle's own, with `ip` in it; nothing of the container's image is run.
        trust: where the host's clients are sent.
        labels: of the container that sets the routes.

    Raises:
        SandboxError: the routes could not be set.
    """
    refused = sorted(host_addresses(client) - needed_addresses(trust))
    if not refused:
        return
    with engine_errors("close the way to the host"):
        try:
            client.containers.run(
                image,
                entrypoint=["sh", "-c", _REFUSE, "sh"],
                command=refused,
                network_mode=f"container:{container_id}",
                user="0:0",
                cap_drop=["ALL"],
                cap_add=["NET_ADMIN"],
                security_opt=["no-new-privileges"],
                labels=labels,
                remove=True,
            )
        except docker.errors.ContainerError as error:
            raise SandboxError(f"The way to the host could not be closed: {error}.") from error
        except docker.errors.ImageNotFound as error:
            raise SandboxError(f"There is no image {image}: {explain(error)}.") from error


def host_addresses(client: docker.DockerClient) -> set[str]:
    """The host's IPv4 addresses, those of its container networks among them.

    Of an engine on another machine, only the latter are known.
    """
    found: set[str] = set()
    for network in client.networks.list():
        for block in (network.attrs.get("IPAM") or {}).get("Config") or ():
            found.add(str(block.get("Gateway", "")).partition("/")[0])
    if str(client.api.base_url).startswith("http+docker"):
        found |= set(_own_addresses(_LOCAL_ADDRESSES))
    return {address for address in found if _is_reachable(address)}


def needed_addresses(trust: HostTrust, resolver: Path = _RESOLVER) -> set[str]:
    """Addresses that the host's settings send its clients to.

    Args:
        trust: the settings of the package clients, proxies among them.
        resolver: the file that names the name servers.
    """
    needed: set[str] = set()
    with contextlib.suppress(OSError):
        for line in resolver.read_text("utf-8", "replace").splitlines():
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                needed.add(words[1])
    for name in _names(trust):
        with contextlib.suppress(OSError, UnicodeError):
            needed |= {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    return needed


def _names(trust: HostTrust) -> Iterable[str]:
    config = trust.config
    addresses = [
        *config.proxies.values(),
        *(value for values in config.pip.values() for value in values),
        *config.npm.values(),
        *config.apt.values(),
        *config.uv_extra_indexes,
        *filter(None, (config.uv_default_index, config.apt_mirror, config.apt_security)),
    ]
    for address in addresses:
        with contextlib.suppress(ValueError):
            if "://" in address and (host := urlsplit(address).hostname):
                yield host


def _own_addresses(table: Path) -> Iterator[str]:
    """Addresses of this machine, as the kernel lists them: `|-- ADDRESS`, then `/32 host LOCAL`."""
    address = ""
    with contextlib.suppress(OSError):
        for line in table.read_text().splitlines():
            words = line.split()
            if words[0] == "|--":
                address = words[1]
            elif words[:3] == ["/32", "host", "LOCAL"]:
                yield address


def _is_reachable(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.version == 4 and not parsed.is_loopback
