"""Is a provider to be had here, and if not: which package, library or device is missing.

onnxruntime itself says little. A provider whose libraries are not there is listed all the same, a
log line tells of it, and the session runs on the processor.
"""

import contextlib
import ctypes
import io
import sys
from importlib import import_module
from pathlib import Path

import onnxruntime as ort

from edgecls import progress
from edgecls.errors import ProviderMissing
from edgecls_runtime import machine, packages
from edgecls_runtime.execution_provider import ExecutionProvider
from edgecls_runtime.reasons import first_line

# Between plug-ins' devices, where nothing else is asked for.
FASTEST_FIRST = ("npu", "gpu", "cpu")
PROCESSOR = "CPUExecutionProvider"


def require(provider: ExecutionProvider) -> None:
    """Refuse a provider that cannot be built on this device, before a model is loaded.

    Raises:
        ProviderMissing: A package, a library or the hardware is not here; in one line, with what
            to do.

    """
    _require_one_package(provider)
    if provider.plugin:
        plugin_device(provider)
    else:
        _require_compiled_in(provider)
        _require_library(provider)


def plugin_device(provider: ExecutionProvider) -> ort.OrtEpDevice:
    """Return the device of a plug-in that a provider takes.

    Raises:
        ProviderMissing: The package, a library that it needs, or the device is not there.

    """
    devices = plugin_devices(provider)
    kinds = [device.device.type.name.lower() for device in devices]
    wanted = [kind for kind in FASTEST_FIRST if provider.device in ("", kind) and kind in kinds]
    if not wanted:
        raise ProviderMissing(
            f"{provider.name}: {packages.installed(provider.package) or provider.package} finds no "
            f"{provider.device or 'device'} here that it can use; it offers "
            f"{', '.join(kinds) or 'none'}; {provider.no_device or 'is its driver installed?'}"
        )
    return devices[kinds.index(wanted[0])]


def plugin_devices(provider: ExecutionProvider) -> list[ort.OrtEpDevice]:
    """Return the devices that a plug-in offers, its library registered.

    Raises:
        ProviderMissing: The package, or a library that it needs, is not there.

    """
    try:
        library = import_module(provider.plugin).get_library_path()
    except ImportError as error:
        raise ProviderMissing(
            f"{provider.name}: {provider.package} is not installed; "
            f"{provider.elsewhere or f'run: pip install {provider.package}'}"
        ) from error
    if provider.name not in {device.ep_name for device in ort.get_ep_devices()}:
        try:
            ort.register_execution_provider_library(provider.name, library)
        except Exception as error:  # onnxruntime's own classes derive from Exception alone
            if "already registered" not in str(error):  # so it is, and offers no device
                raise ProviderMissing(f"{provider.name}: {first_line(error)}") from error
    return [device for device in ort.get_ep_devices() if device.ep_name == provider.name]


def names(provider: ExecutionProvider) -> list[str]:
    """Return the names of the hardware that a provider can use, as far as onnxruntime tells."""
    if provider.name == PROCESSOR:
        return [machine.processor()]
    if not provider.plugin:
        return []
    return [
        device.ep_metadata.get("FULL_DEVICE_NAME")
        or device.device.metadata.get("Description")
        or f"{device.device.type.name.lower()} of {device.device.vendor or 'unknown make'}"
        for device in plugin_devices(provider)
    ]


def _require_one_package(provider: ExecutionProvider) -> None:
    """Refuse an environment in which one onnxruntime overwrote another.

    The processor's provider is in each of them and all but sure to work: there it is a warning.
    """
    beside = provider.plugin or provider.elsewhere
    wanted = "onnxruntime" if beside else provider.package
    if not (found := packages.clash(wanted)):
        return
    if provider.name != PROCESSOR:
        raise ProviderMissing(f"{provider.name}: {found}")
    progress.warn(found)


def _require_compiled_in(provider: ExecutionProvider) -> None:
    there = ort.get_available_providers()
    if provider.name in there:
        return
    carrier = next(iter(packages.carriers()), packages.Package("onnxruntime", ort.__version__))
    if provider.package.partition("[")[0] == carrier.name:
        remedy = provider.elsewhere or f"it has {', '.join(there)}"
    else:
        remedy = provider.elsewhere or f"run: {packages.replacing(provider.package)}"
    raise ProviderMissing(f"{provider.name}: not in {carrier}; {remedy}")


def _require_library(provider: ExecutionProvider) -> None:
    """Load a provider's own library as onnxruntime will, for the loader's reason if it cannot."""
    if not provider.library:
        return
    _load_libraries_of_pip()
    names = {"win32": "onnxruntime_providers_{}.dll", "darwin": "libonnxruntime_providers_{}.dylib"}
    pattern = names.get(sys.platform, "libonnxruntime_providers_{}.so")
    folder = Path(ort.__file__).parent / "capi"
    if not (own := folder / pattern.format(provider.library)).is_file():
        return  # built in another way; the session tells
    try:
        ctypes.CDLL(str(folder / pattern.format("shared")), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(own))
    except OSError as error:
        raise ProviderMissing(
            f"{provider.name}: cannot be built here: {error}; {_remedy(provider, str(error))}"
        ) from error


def _remedy(provider: ExecutionProvider, fault: str) -> str:
    for library, remedy in provider.remedies.items():
        if fault.startswith(library):
            return remedy
    return "is it installed, where the loader looks?"


def _load_libraries_of_pip() -> None:
    """Load CUDA from the packages of PyPI, where they are: the loader does not look there."""
    # It prints what it did not find. onnxruntime before 1.21 has no such function.
    missing = contextlib.suppress(AttributeError, RuntimeError, OSError)
    with missing, contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()
