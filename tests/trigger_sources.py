"""What announces parts, for tests: a broker, a PLC, pins; real ones, that can be killed."""

import itertools
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

if TYPE_CHECKING:  # extras: whoever has none skips the tests that need them
    from paho.mqtt.client import Client
    from pymodbus.client import ModbusTcpClient

MODBUS_SERVER = Path(__file__).parent / "modbus_server.py"
WAIT_S = 15.0
USER, PASSWORD = "line1", "s3cret word"
COIL, ACKNOWLEDGE, REGISTER = 3, 4, 10
PIN = 17
COMMANDS = {
    "mosquitto": "apt-get install mosquitto",
    "openssl": "apt-get install openssl",
    "paho": "pip install 'edgecls[mqtt]'",
    "pymodbus": "pip install 'edgecls[modbus]'",
    "asyncua": "pip install 'edgecls[opcua]'",
    "gpiod": "pip install 'edgecls[gpio]'",
    "gpiozero": "pip install 'edgecls[gpio]'",
}
# A pulse that each poll sees; the pause is longer than what counts as a bounce.
PULSE_S = 0.03


def missing(*needed: str) -> str:
    """Return why a source cannot run here, in one line; empty where it can.

    Args:
        needed: Import names, and programs where they have no dot and no module.

    """
    found = {
        "mosquitto": lambda: _program("mosquitto") is not None,
        "openssl": lambda: shutil.which("openssl") is not None,
    }
    absent = [name for name in needed if not found.get(name, lambda n=name: find_spec(n))()]
    if not absent:
        return ""
    return "; ".join(f"{name}: not here; run: {COMMANDS[name]}" for name in absent)


def until(condition: Callable[[], object], wait: float = WAIT_S) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Return whether somebody listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    """mosquitto with TLS and a password, in a process of its own."""

    def __init__(self, folder: Path, *, tls: bool = True, more: tuple[str, ...] = ()) -> None:
        """Write its files, with ``more`` lines of settings, and start it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.ca = closed_port(), folder / "ca.crt"
        users = folder / "users"
        _run("mosquitto_passwd", "-b", "-c", str(users), USER, PASSWORD)
        lines = [f"listener {self.port} 127.0.0.1", "user root", "allow_anonymous false"]
        self.log = folder / "log"
        lines += [f"password_file {users}", f"log_dest file {self.log}", "log_type all", *more]
        if tls:
            certificates(folder)
            lines += [f"cafile {self.ca}", f"certfile {folder / 'server.crt'}"]
            lines += [f"keyfile {folder / 'server.key'}"]
        self.tls = tls
        self._file = folder / "mosquitto.conf"
        self._file.write_text("\n".join(lines) + "\n", encoding="ascii")
        self.start()

    @property
    def table(self) -> dict[str, object]:
        """The keys that reach it."""
        table = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD}
        return {**table, "ca": str(self.ca)} if self.tls else table

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.log.write_bytes(b"")
        command = [str(_program("mosquitto")), "-c", str(self._file)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: listens(self.port))

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()
        self.process.wait()

    def client(self, client_id: str = "") -> "Client":
        """Return a client that may publish; one with an id is not forgotten. Not yet connected."""
        version = import_module("paho.mqtt.enums").CallbackAPIVersion.VERSION2
        client: Client = import_module("paho.mqtt.client").Client(
            version, client_id=client_id, clean_session=not client_id
        )
        client.username_pw_set(USER, PASSWORD)
        if self.tls:
            client.tls_set(str(self.ca))
        return client

    def publish(
        self, payload: str | bytes, topic: str = "line/1/part", *, retain: bool = False
    ) -> None:
        """Send one message of QoS 1, as a client that goes away after it."""
        client = self.client()
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        client.publish(topic, payload, 1, retain).wait_for_publish(WAIT_S)
        client.disconnect()
        client.loop_stop()


def certificates(folder: Path) -> None:
    """Write an authority and a certificate of 127.0.0.1 that it signed."""
    own = ["-nodes", "-newkey", "rsa:2048", "-days", "2"]
    ca, server = folder / "ca", folder / "server"
    _run("openssl", "req", "-x509", *own, "-subj", "/CN=tests", "-keyout", f"{ca}.key",
         "-out", f"{ca}.crt")  # fmt: skip
    _run("openssl", "req", *own[:3], "-subj", "/CN=127.0.0.1", "-keyout", f"{server}.key",
         "-out", f"{server}.csr")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1", encoding="ascii")
    _run("openssl", "x509", "-req", "-in", f"{server}.csr", "-CA", f"{ca}.crt", "-CAkey",
         f"{ca}.key", "-CAcreateserial", "-days", "2", "-extfile", str(folder / "names"),
         "-out", f"{server}.crt")  # fmt: skip


class Plc:
    """A Modbus server in a process of its own, and a client that plays its program."""

    def __init__(self, delay: float = 0.0, port: int = 0) -> None:
        """Start it; ``delay``: seconds that it takes for an answer; port 0 takes a free one."""
        self.port, self._delay = port or closed_port(), delay
        self.start()

    @property
    def table(self) -> dict[str, object]:
        """The keys that reach it."""
        return {"host": "127.0.0.1", "port": self.port, "coil": COIL, "poll_ms": 5}

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [sys.executable, str(MODBUS_SERVER), str(self.port), str(self._delay)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: listens(self.port))
        client = import_module("pymodbus.client").ModbusTcpClient
        self._client: ModbusTcpClient = client("127.0.0.1", port=self.port, timeout=WAIT_S)
        assert self._client.connect()

    def kill(self) -> None:
        """End it as a power cut does."""
        self._client.close()
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Stop it where it stands; its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def registers(self, first: int, count: int = 1) -> list[int]:
        """Return holding registers."""
        answer = self._client.read_holding_registers(first, count=count, device_id=1)
        return list(answer.registers)

    def write(self, register: int, value: int) -> None:
        """Write a holding register."""
        assert not self._client.write_register(register, value, device_id=1).isError()

    def set(self, coil: int, value: bool) -> None:
        """Switch a coil."""
        assert not self._client.write_coil(coil, value, device_id=1).isError()

    def is_on(self, coil: int) -> bool:
        """Return how a coil stands."""
        return bool(self._client.read_coils(coil, device_id=1).bits[0])

    def number(self, number: int) -> None:
        """Write the number of the next part, into two registers."""
        words = [number >> 16, number & 0xFFFF]
        assert not self._client.write_registers(REGISTER, words, device_id=1).isError()

    def pulse(self, number: int = 0) -> None:
        """Announce a part to who acknowledges it: a machine that is busy may see no short pulse."""
        self.number(number)
        self.set(COIL, True)
        until(lambda: self.is_on(ACKNOWLEDGE))
        self.set(COIL, False)
        until(lambda: not self.is_on(ACKNOWLEDGE))


def post(port: int, body: bytes | None, **headers: str) -> tuple[int, str]:
    """Announce a part by HTTP; return the status and the answer."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    request = Request(
        f"http://127.0.0.1:{port}/trigger", body, {"Content-Type": "text/plain", **named},
        method="POST",
    )  # fmt: skip
    try:
        with urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def bounce(times: int, *, first: bool) -> None:
    """Drive the pin as a contact does: to ``first``, back, and so on, within a millisecond."""
    levels = itertools.islice(itertools.cycle([first, not first]), 2 * times + 1)
    made_up = import_module("gpiozero").Device.pin_factory.pin(PIN)
    for level in levels:
        made_up.drive_high() if level else made_up.drive_low()


def _program(name: str) -> str | None:
    return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def _run(program: str, *arguments: str) -> None:
    subprocess.run([str(_program(program)), *arguments], check=True, capture_output=True)
