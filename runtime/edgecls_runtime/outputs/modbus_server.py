"""A map of counters and results that PLCs ask for by Modbus TCP: here the station is the server.

Modbus knows no passwords: it is bound to this machine, or knows the addresses of its clients.
"""

import ipaddress
import threading
from collections.abc import Callable
from functools import partial

from edgecls.errors import ConfigError, OutputError
from edgecls.verdict import Verdict
from edgecls_runtime.loopback import is_own
from edgecls_runtime.modbus.places import LONGEST_MS
from edgecls_runtime.modbus.plc import check
from edgecls_runtime.modbus.result import MOST_TEXT
from edgecls_runtime.modbus.server import Server
from edgecls_runtime.modbus.station_map import StationMap
from edgecls_runtime.probe import Probed

# It counts.
PATIENT = True
POLL_S = 0.1
GRACE_S = 2.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ModbusServerOutput:
    """Shows verdicts to whoever asks.

    Attributes:
        map: What is shown; its ``on_recipe`` hears of the recipes that a PLC orders.
        port: Where it listens.

    """

    def __init__(self, station_map: StationMap, server: Server, where: str, wait: float) -> None:
        """Begin to serve.

        Args:
            station_map: What is shown.
            server: Bound, and of this map; closed by this.
            where: Begins every message.
            wait: Seconds at most until a PLC acknowledges a result; 0 waits for none.

        """
        self.map, self.port = station_map, int(server.server_address[1])
        self._server, self._where, self._wait = server, where, wait
        self._latest: object = None
        self._thread = threading.Thread(
            target=server.serve_forever, args=(POLL_S,), name="modbus server", daemon=True
        )
        self._thread.start()

    def take_orders(self, order: Callable[[int], object]) -> None:
        """Pass on which recipe a PLC orders, by its number."""
        self.map.on_recipe = order

    def send(self, verdict: Verdict) -> None:
        """Show one verdict, and wait for a PLC where it is to acknowledge.

        Raises:
            OutputError: It was not acknowledged.

        """
        this = (verdict.id, verdict.part, verdict.decided_at)
        if this != self._latest:
            self.map.show(verdict)
            self._latest = this
        if self._wait and (sequence := self.map.await_acknowledged(self._wait)):
            raise OutputError(
                f"{self._where}: not acknowledged within {self._wait:g} s; "
                f"expected {sequence} in register 1002; does the PLC's program run?"
            )

    def expect(self, part: str, at: float) -> None:  # noqa: ARG002 - counted only
        """Count a part that waits for its verdict."""
        self.map.expect(part)

    def beat(self) -> None:
        """Let the heartbeat go on."""
        self.map.beat()

    def make_safe(self, reason: str) -> None:  # noqa: ARG002 - a PLC reads no sentences
        """Show that nothing can be relied on."""
        self.map.make_safe()

    def close(self) -> None:
        """Hang up; closing twice is allowed."""
        self.map.make_safe()
        self._server.shutdown()
        self._thread.join(GRACE_S)
        self._server.server_close()


def open(  # noqa: PLR0913 - each is a key of the station's table
    *,
    port: int = 1502,
    host: str = "127.0.0.1",
    clients: tuple[str, ...] = (),
    part_registers: int = 16,
    labels: tuple[str, ...] = (),
    acknowledge_ms: float = 0.0,
) -> ModbusServerOutput:
    """Let PLCs ask for counters and results.

    Args:
        port: 0 takes a free one; 502, the protocol's own, needs a right that stations should lack.
        host: Address to listen at; another than this machine's own needs ``clients``.
        clients: Addresses or networks that may ask, such as ``10.0.0.5`` or ``10.0.0.0/28``.
        part_registers: Room for the part's id, two characters each; 0 leaves it out.
        labels: Those with a code, which is their place here, from 1; empty is the bundle's order.
        acknowledge_ms: Longest wait until a PLC copies the sequence to register 1002; 0 waits not.

    """
    check("outputs.port", port)
    check("outputs.part_registers", part_registers, highest=MOST_TEXT)
    if not 0 <= acknowledge_ms <= LONGEST_MS:
        raise ConfigError(f"outputs.acknowledge_ms: {acknowledge_ms:g}; expected 0 to {LONGEST_MS}")
    where = f"modbus_server output {host}:{port}"
    networks = tuple(_network(client) for client in clients)
    if not networks and not is_own(host):
        raise ConfigError(
            f"outputs.clients: required with host {host!r}; without them, everybody there could "
            f"read results and reset counters; expected their addresses, or host = '127.0.0.1'"
        )
    station_map = StationMap(labels, part_registers)
    try:
        server = Server((host, port), station_map, partial(_allows, networks))
    except OSError as error:
        raise OutputError(
            f"{where}: {error.strerror}; expected an address of this machine and a free port"
        ) from error
    return ModbusServerOutput(station_map, server, where, acknowledge_ms / 1000)


def probed() -> Probed:
    """Say what is here: it needs nothing."""
    return Probed("modbus_server", ready=True, what="a map that PLCs ask for; part of Python")


def _network(client: str) -> Network:
    try:
        return ipaddress.ip_network(client)
    except ValueError as error:
        raise ConfigError(
            f"outputs.clients: {error}; expected such as '10.0.0.5' or '10.0.0.0/28'"
        ) from error


def _allows(networks: tuple[Network, ...], client: str) -> bool:
    """Return whether a client may ask; where none are named, everybody who gets here may."""
    one = ipaddress.ip_address(client.partition("%")[0])
    mapped = one.ipv4_mapped if isinstance(one, ipaddress.IPv6Address) else None
    return not networks or any((mapped or one) in network for network in networks)
