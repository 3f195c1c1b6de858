"""Settings of GenICam cameras by name: what reaches the camera, and what is said about the rest."""

from dataclasses import dataclass, field

import pytest

from edgecls.errors import CameraError, ConfigError, Fault, MissingExtra
from edgecls_runtime.genicam import formats
from edgecls_runtime.genicam.choice import Found, chosen
from edgecls_runtime.genicam.library import imported
from edgecls_runtime.genicam.nodes import Kind, Offer, Value, put
from edgecls_runtime.genicam.settings import Edge, Wanted, apply


@dataclass
class Table:
    """A camera's nodes, kept in memory; what is written is noted in its order."""

    offers: dict[str, Offer]
    values: dict[str, str] = field(default_factory=dict)
    written: list[tuple[str, Value]] = field(default_factory=list)

    def names(self) -> list[str]:
        return list(self.offers)

    def offer(self, name: str) -> Offer | None:
        return self.offers.get(name)

    def write(self, name: str, value: Value) -> None:
        self.written.append((name, value))
        self.values[name] = str(value)

    def read(self, name: str) -> str:
        return self.values[name]


def choice(*names: str) -> Offer:
    return Offer(Kind.CHOICE, choices=names)


def camera() -> Table:
    number = Offer(Kind.FLOAT, least=10.0, most=1e6)
    offers = {
        "Width": Offer(Kind.INTEGER, least=16, most=2048, step=4),
        "Height": Offer(Kind.INTEGER, least=16, most=1536, step=2),
        "OffsetX": Offer(Kind.INTEGER, least=0, most=1024),
        "OffsetY": Offer(Kind.INTEGER, least=0, most=1024),
        "PixelFormat": choice("Mono8", "BayerRG8", "Mono12"),
        "ExposureAuto": choice("Off", "Continuous"),
        "ExposureTimeAbs": number,
        "Gain": Offer(Kind.FLOAT, least=0.0, most=24.0),
        "AcquisitionFrameRateEnable": Offer(Kind.BOOLEAN),
        "AcquisitionFrameRate": Offer(Kind.FLOAT, least=1.0, most=60.0),
        "TriggerSelector": choice("AcquisitionStart", "FrameStart"),
        "TriggerMode": choice("Off", "On"),
        "TriggerSource": choice("Software", "Line1"),
        "TriggerActivation": choice("RisingEdge", "FallingEdge"),
        "UserSetLoad": Offer(Kind.COMMAND),
        "DeviceUserID": Offer(Kind.TEXT),
        "PayloadSize": Offer(Kind.INTEGER, writable=False),
    }
    return Table(offers, {"PixelFormat": "Mono8"})


UNDECODABLE = (
    "it is set to pixel format Mono12; expected one that can be decoded; of those it offers Mono8, "
    "BayerRG8: set pixel_format"
)
ALL_OFF: list[tuple[str, Value]] = [
    ("TriggerSelector", "AcquisitionStart"),
    ("TriggerMode", "Off"),
    ("TriggerSelector", "FrameStart"),
    ("TriggerMode", "Off"),
    ("TriggerSelector", "FrameStart"),
    ("TriggerMode", "Off"),
]


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        (Wanted(), []),
        (Wanted(pixel_format="BayerRG8"), [("PixelFormat", "BayerRG8")]),
        (
            Wanted(width_px=640, height_px=480, x_px=100),
            [("OffsetX", 0), ("OffsetY", 0), ("Width", 640), ("Height", 480), ("OffsetX", 100)],
        ),
        (Wanted(exposure_ms=2.5), [("ExposureAuto", "Off"), ("ExposureTimeAbs", 2500.0)]),
        (Wanted(gain_db=0.0), [("Gain", 0.0)]),
        (
            Wanted(rate_hz=30.0),
            [("AcquisitionFrameRateEnable", True), ("AcquisitionFrameRate", 30.0)],
        ),
        (
            Wanted(nodes={"UserSetLoad": True, "DeviceUserID": "line 3"}, gain_db=6.0),
            [("UserSetLoad", True), ("DeviceUserID", "line 3"), ("Gain", 6.0)],
        ),
        (Wanted(nodes=[{"Gain": 1}, {"Gain": 2}]), [("Gain", 1), ("Gain", 2)]),
    ],
    ids=["nothing", "format", "region", "exposure", "gain", "rate", "further nodes", "one twice"],
)
def test_keys_reach_the_camera_in_an_order_that_it_takes(
    wanted: Wanted, written: list[tuple[str, Value]]
) -> None:
    nodes = camera()

    apply(wanted, nodes, "camera")

    assert nodes.written == written + ALL_OFF


@pytest.mark.parametrize(
    ("wanted", "last"),
    [
        (Wanted(trigger="software"), [("TriggerSource", "Software"), ("TriggerMode", "On")]),
        (
            Wanted(trigger="Line1"),
            [
                ("TriggerSource", "Line1"),
                ("TriggerActivation", "RisingEdge"),
                ("TriggerMode", "On"),
            ],
        ),
        (
            Wanted(trigger="Line1", edge=Edge.FALLING),
            [
                ("TriggerSource", "Line1"),
                ("TriggerActivation", "FallingEdge"),
                ("TriggerMode", "On"),
            ],
        ),
    ],
    ids=["software", "line", "falling edge"],
)
def test_a_trigger_is_that_of_the_frame_start_and_all_others_are_off(
    wanted: Wanted, last: list[tuple[str, Value]]
) -> None:
    nodes = camera()

    apply(wanted, nodes, "camera")

    assert nodes.written == ALL_OFF + last


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(width_px=642), "node Width: 642 wanted; it offers 16 to 2048 in steps of 4"),
        (Wanted(width_px=4096), "node Width: 4096 wanted; it offers 16 to 2048 in steps of 4"),
        (
            Wanted(pixel_format="RGB8"),
            "node PixelFormat: 'RGB8' wanted; it offers Mono8, BayerRG8, Mono12",
        ),
        (Wanted(pixel_format="Mono12"), UNDECODABLE),
        (
            Wanted(exposure_ms=2000.0),
            "node ExposureTimeAbs: 2000000.0 wanted; it offers 10 to 1000000",
        ),
        (Wanted(trigger="Line7"), "node TriggerSource: 'Line7' wanted; it offers Software, Line1"),
        (Wanted(nodes={"Gaim": 3}), "node Gaim: 3 wanted; no such node; it has Gain"),
        (Wanted(nodes={"XYZ": 3}), "node XYZ: 3 wanted; no such node"),
        (
            Wanted(nodes={"Width": "wide"}),
            "node Width: 'wide' wanted; it offers 16 to 2048 in steps of 4",
        ),
        (Wanted(nodes={"DeviceUserID": 3}), "node DeviceUserID: 3 wanted; it offers text"),
        (
            Wanted(nodes={"UserSetLoad": 1}),
            "node UserSetLoad: 1 wanted; it offers true, which executes it",
        ),
        (
            Wanted(nodes={"PayloadSize": 3}),
            "node PayloadSize: 3 wanted; it cannot be written now; does another node lock it?",
        ),
        (Wanted(nodes={"TriggerMode": True}), "node TriggerMode: true wanted; it offers Off, On"),
    ],
    ids=[
        "between steps", "too large", "no such choice", "not to be decoded", "too long",
        "no such line", "misspelt", "unknown", "text for a number", "number for a text", "command",
        "read only", "truth for a choice",
    ],
)  # fmt: skip
def test_what_the_camera_does_not_take_is_named_with_what_it_offers(
    wanted: Wanted, message: str
) -> None:
    with pytest.raises(CameraError) as raised:
        apply(wanted, camera(), "camera 7")

    assert str(raised.value) == f"camera 7: {message}"
    assert raised.value.fault is Fault.FORMAT


def test_a_refusal_of_the_camera_itself_is_told_in_one_line() -> None:
    class Refusing(Table):
        def write(self, name: str, value: Value) -> None:
            said = f"{name} is {value}. : thrown in Node.cpp, line 7\nmore"
            raise RuntimeError(said)

    with pytest.raises(CameraError) as raised:
        put(Refusing({"Gain": Offer(Kind.FLOAT)}), "Gain", 3.0, "camera 7")

    assert str(raised.value) == "camera 7: node Gain: 3.0 wanted; Gain is 3.0"


def test_a_camera_without_a_trigger_runs_freely_and_cannot_be_triggered() -> None:
    nodes = Table({"Width": Offer(Kind.INTEGER)})

    apply(Wanted(), nodes, "camera 7")
    with pytest.raises(CameraError) as raised:
        apply(Wanted(trigger="software"), nodes, "camera 7")

    assert nodes.written == []
    assert str(raised.value) == ("camera 7: node TriggerSource: 'Software' wanted; no such node")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("width_px", -1, "camera.width_px: -1; expected 0 to 86400000"),
        ("exposure_ms", float("nan"), "camera.exposure_ms: nan; expected 0 to 86400000"),
        ("nodes", 3, "camera.nodes: 3; expected a table such as { Gamma = 0.8 }"),
        ("nodes", [3], "camera.nodes: 3; expected a table such as { Gamma = 0.8 }"),
    ],
    ids=["negative", "no number", "no table", "list of no tables"],
)
def test_a_value_that_no_camera_takes_is_an_error_of_the_table(
    key: str, value: object, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        Wanted(**{key: value})  # type: ignore[arg-type]

    assert str(raised.value) == message


SEVERAL = "2 cameras found: acA1300 21694497, acA1300 21694498; set device to the one that is meant"
FOUND = (
    Found("acA1300", ("21694497", "left", "10.0.0.7")),
    Found("acA1300", ("21694498", "", "10.0.0.8")),
)


@pytest.mark.parametrize(
    ("device", "index"),
    [("21694498", 1), ("left", 0), ("10.0.0.8", 1)],
    ids=["serial number", "name", "address"],
)
def test_a_camera_is_meant_by_any_of_its_names(device: str, index: int) -> None:
    assert chosen(FOUND, device, "camera", "is it on?") == index


def test_the_only_camera_needs_no_name() -> None:
    assert chosen(FOUND[1:], "", "camera", "is it on?") == 0


@pytest.mark.parametrize(
    ("found", "device", "message"),
    [
        ((), "", "no camera found; is it on?"),
        (FOUND, "", SEVERAL),
        (FOUND, "right", "no camera 'right'; there are acA1300 21694497, acA1300 21694498"),
    ],
    ids=["none", "several", "another"],
)  # fmt: skip
def test_a_camera_that_is_not_clear_is_answered_with_those_that_are_there(
    found: tuple[Found, ...], device: str, message: str
) -> None:
    with pytest.raises(CameraError) as raised:
        chosen(found, device, "camera", "is it on?")

    assert str(raised.value) == f"camera: {message}"
    assert raised.value.fault is Fault.MISSING


def test_no_two_pixel_formats_share_a_number_or_a_name() -> None:
    assert len(formats.BY_NUMBER) == len(formats.FORMATS)
    assert len(set(formats.NAMES)) == len(formats.NAMES)


def test_a_library_that_is_not_installed_is_answered_with_the_pip_command() -> None:
    with pytest.raises(MissingExtra) as raised:
        imported("pypylon_of_nobody", "pypylon", "basler")

    assert str(raised.value) == "pypylon: not installed; run: pip install 'edgecls[basler]'"
    assert raised.value.exit_code == 6
