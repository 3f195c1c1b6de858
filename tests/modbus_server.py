"""A PLC for tests, in a process of its own: python modbus_server.py PORT."""

import asyncio
import sys

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


async def serve(port: int) -> None:
    """Serve 200 registers as unit 1; coil and input n are the lowest bit of register n."""
    registers = SimData(address=0, count=200, values=0, datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(id=1, simdata=[registers]), address=("127.0.0.1", port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
