"""A GigE Vision camera for tests: Aravis's fake one, which sends a moving test pattern."""

import os
import shutil
import socket
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from edgecls.errors import CameraError
from edgecls_runtime import system_gi
from edgecls_runtime.cameras import aravis

SERVER = "arv-fake-gv-camera-0.8"
CONTROL_PORT = 3956
# GigE Vision's control protocol: key, flags, command (discovery), length, request id.
DISCOVERY = bytes((0x42, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01))
START_S = 10.0


def missing() -> str:
    """Return why there is no such camera here, in one line; empty where there is."""
    if shutil.which(SERVER) is None:
        return "no fake GigE camera here; run: apt-get install aravis-tools gir1.2-aravis-0.8"
    try:
        system_gi.load("tests", aravis.NEEDED)
    except CameraError as error:
        return str(error)
    return ""


def can_make_networks() -> bool:
    """Return whether addresses and cables can be made here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


def ip(command: str) -> None:
    """Run a command of ``ip``."""
    subprocess.run(["ip", *command.split()], check=True, capture_output=True)


@dataclass
class GigeCamera:
    """A camera in a process of its own.

    Attributes:
        address: IP address.
        command: What runs it.

    """

    address: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch it on, and wait until it answers."""
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + START_S
        while not _answers(self.address):
            assert time.monotonic() < deadline, "the fake camera does not answer"

    def kill(self) -> None:
        """Switch it off; twice is allowed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def gige_camera(serial: str = "TEST01", lost_of_1000: int = 0) -> Iterator[GigeCamera]:
    """Run a camera on this machine, at an address of its own where that can be made.

    Args:
        serial: Its serial number.
        lost_of_1000: Packets that it leaves out, of 1000.

    """
    address = "127.0.0.1"
    if can_make_networks():
        last = 1 + zlib.crc32(serial.encode()) % 250
        address = f"127.{64 + os.getpid() // 250 % 128}.{os.getpid() % 250}.{last}"
        ip(f"address replace {address}/32 dev lo")
    lossy = ["-r", str(lost_of_1000)] if lost_of_1000 else []
    camera = GigeCamera(address, [SERVER, "-i", address, "-s", serial, *lossy])
    try:
        camera.start()
        yield camera
    finally:
        camera.kill()
        if address != "127.0.0.1":
            with suppress(subprocess.CalledProcessError):
                ip(f"address delete {address}/32 dev lo")


@dataclass
class Cable:
    """A camera behind a cable that can be pulled.

    Attributes:
        camera: The camera.
        name: Of our end.

    """

    camera: GigeCamera
    name: str

    def pull(self) -> None:
        """Pull it."""
        ip(f"link set {self.name} down")

    def plug(self) -> None:
        """Put it in again."""
        ip(f"link set {self.name} up")


@contextmanager
def gige_cable() -> Iterator[Cable]:
    """Run a camera in a network of its own; needs root."""
    number = os.getpid()
    space, ours, theirs = f"gige{number}", f"gu{number}", f"gc{number}"
    net = f"10.{100 + number // 250 % 100}.{number % 250}"
    ip(f"netns add {space}")
    try:
        ip(f"link add {ours} type veth peer name {theirs}")
        ip(f"link set {theirs} netns {space}")
        ip(f"address add {net}.1/24 dev {ours}")
        ip(f"link set {ours} up")
        ip(f"-n {space} address add {net}.2/24 dev {theirs}")
        ip(f"-n {space} link set {theirs} up")
        command = ["ip", "netns", "exec", space, SERVER, "-i", theirs, "-s", "CABLE1"]
        camera = GigeCamera(f"{net}.2", command)
        try:
            camera.start()
            yield Cable(camera, ours)
        finally:
            camera.kill()
    finally:
        with suppress(subprocess.CalledProcessError):
            ip(f"link delete {ours}")
        ip(f"netns delete {space}")


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
        asking.settimeout(0.2)
        asking.sendto(DISCOVERY, (address, CONTROL_PORT))
        return bool(asking.recv(1024))
    return False
