"""Everything edgecls raises on purpose, as one tree.

    EdgeclsError
     +-- ConfigError (ValueError)        a station file or a flag is wrong       exit 2
     +-- BundleError (ValueError)        a bundle is missing, altered or newer   exit 3
     +-- ExportError (RuntimeError)      the model cannot be exported            exit 4
     |    +-- ParityError                ... or answers differently afterwards   exit 1
     +-- DeviceError (OSError)           hardware said no                        exit 5
     |    +-- CameraError
     |    |    +-- CameraTimeout (TimeoutError)
     |    |    |    +-- NoPart           ... because no part was announced: no fault
     |    |    +-- EndOfStream (EOFError)
     |    +-- ImageError                 a frame or a file is not an image we can read
     |    |    +-- FrameMissed           ... a part came by and has no frame
     |    +-- TriggerError               what announces parts is gone
     |    +-- ProviderError              an accelerator cannot be used, or failed
     |    |    +-- ProviderMissing       ... whatever the model
     |    +-- OutputError
     |         +-- OutputRefused         ... the other side does not want this verdict, ever
     +-- MissingExtra (ImportError)      an optional package is not installed    exit 6

Each class also derives from the built-in a caller would guess, so
``except TimeoutError`` works without importing edgecls.
A message reads *where: what was found; what was expected; what to do*, on one line.
"""

from enum import StrEnum


class Fault(StrEnum):
    """Why a camera does not deliver: for programs; the message says it for people."""

    MISSING = "missing"  # no such device, host or path
    REFUSED = "refused"  # nobody listens there, or it does not want us
    AUTH = "auth"  # user or password is wrong or not given
    BUSY = "busy"  # somebody else has it
    FORMAT = "format"  # it cannot do what is asked of it
    CODEC = "codec"  # what it sends cannot be decoded
    TIMEOUT = "timeout"  # it is there and says nothing
    GONE = "gone"  # it was there and is lost


class EdgeclsError(Exception):
    """Base of every error edgecls raises on purpose."""

    exit_code = 1


class ConfigError(EdgeclsError, ValueError):
    """A configuration value is unknown, missing or of the wrong type."""

    exit_code = 2


class BundleError(EdgeclsError, ValueError):
    """A bundle is missing a file, was altered, or has a newer format."""

    exit_code = 3


class ExportError(EdgeclsError, RuntimeError):
    """A model, a checkpoint or its data cannot become a bundle."""

    exit_code = 4


class ParityError(ExportError):
    """The exported model does not answer as the original does, beyond the user's budget."""

    exit_code = 1


class DeviceError(EdgeclsError, OSError):
    """A camera, an accelerator or an output refused to work."""

    exit_code = 5


class CameraError(DeviceError):
    """The camera cannot be opened or stopped delivering frames.

    Attributes:
        fault: Why, in one word; None where the driver does not say.

    """

    def __init__(self, message: str, fault: Fault | None = None) -> None:
        """Keep the fault, so that whoever opens it again knows whether to hurry."""
        super().__init__(message)
        self.fault = fault


class CameraTimeout(CameraError, TimeoutError):  # noqa: N818 - reads as the event it is
    """No frame arrived in time."""

    def __init__(self, message: str) -> None:
        """Say how long was waited, and for what."""
        super().__init__(message, Fault.TIMEOUT)


class NoPart(CameraTimeout):
    """No part was announced in time; not a fault, and nothing to judge."""


class EndOfStream(CameraError, EOFError):  # noqa: N818 - reads as the event it is
    """A folder or a video file has no more frames; not a fault."""


class ImageError(DeviceError):
    """A file is missing, empty, truncated or not an image.

    Attributes:
        part: Id of the part that the file stood for, when a camera read it; else None.
        announced_at: Monotonic seconds when a trigger announced it; None where none did.

    """

    def __init__(
        self, message: str, part: str | None = None, announced_at: float | None = None
    ) -> None:
        """Keep the part, so that a station can put it to review under its own name."""
        super().__init__(message)
        self.part, self.announced_at = part, announced_at


class FrameMissed(ImageError):  # noqa: N818 - reads as the event it is
    """A part came by of which there is no frame that may be judged."""


class TriggerError(DeviceError):
    """What announces parts cannot be opened, or is gone."""


class ProviderError(DeviceError):
    """An execution provider cannot be built, or failed while it ran."""


class ProviderMissing(ProviderError):  # noqa: N818 - reads as what is wrong
    """An execution provider is not to be had on this device, whatever the model."""


class OutputError(DeviceError):
    """An output or the journal cannot be opened or did not accept a verdict."""


class OutputRefused(OutputError):  # noqa: N818 - reads as the event it is
    """The other side was reached and does not want this verdict; telling it again is of no use.

    Where verdicts are kept until they are told, it is counted as failed and the next one is told,
    so that one verdict does not block all that follow. Faults of the other side itself, or of our
    right to tell it anything, are no refusal: they pass, and the verdict is told then.
    """


class MissingExtra(EdgeclsError, ImportError):  # noqa: N818 - reads as what is wrong
    """An optional package is not installed."""

    exit_code = 6

    def __init__(self, package: str, extra: str) -> None:
        """Name the package and the extra; the message is the command that fixes it."""
        super().__init__(f"{package}: not installed; run: pip install 'edgecls[{extra}]'")
