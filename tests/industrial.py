"""What tests of machine-vision cameras need beside the cameras: why they may not be here."""

from importlib.util import find_spec
from pathlib import Path

PYLON_MISSING = "no pypylon here; run: pip install 'edgecls[basler]'"
HARVESTERS_MISSING = "no harvesters here; run: pip install 'edgecls[genicam]'"


def viky() -> Path | None:
    """Return the GenTL producer without hardware that the wheel ``genicam`` brings."""
    spec = find_spec("genicam")
    if spec is None or spec.origin is None or find_spec("harvesters") is None:
        return None
    producer = Path(spec.origin).with_name("viky.cti")
    return producer if producer.is_file() else None
