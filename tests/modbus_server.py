"""A PLC for tests, in a process of its own: python modbus_server.py PORT [SECONDS an answer]."""

import asyncio
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def serve(port: int, delay: float) -> None:
    """Serve 400 registers as unit 1; coil and input n are the lowest bit of register n."""

    async def wait(*_: object) -> None:
        await asyncio.sleep(delay)

    registers = SimData(address=0, count=400, values=0, datatype=DataType.REGISTERS)
    device = SimDevice(id=1, simdata=[registers], action=wait if delay else None)
    server = ModbusTcpServer(device, address=("127.0.0.1", port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 0.0))
