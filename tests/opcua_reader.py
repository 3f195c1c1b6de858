"""A client that knows only what the server tells it: python opcua_reader.py URL, prints JSON.

With ``deaf`` behind the URL it subscribes to results, and takes long for each; it must be killed.
"""

import asyncio
import json
import sys
import time

from asyncua import Client, ua

URI = "http://opcfoundation.org/UA/MachineVision"
PLACE = "0:Objects/1:edgecls/{0}:ResultManagement/{0}:Results/1:Result 0000"


async def read(url: str) -> dict[str, object]:
    """Return the first result, its type's name, and what the server says of the specification."""
    async with Client(url, timeout=30) as client:
        index = await client.get_namespace_index(URI)
        # The standard has a type of this name, too, and asyncua tells types by their names.
        ua.register_basetype("TrimmedString", ua.NodeId(3017, index), ua.String)
        await client.load_data_type_definitions()
        node = await client.nodes.root.get_child(PLACE.format(index))
        result = await node.read_value()
        kind = client.get_node(await node.read_type_definition())
        metadata = client.get_node(ua.NodeId(5009, index))
        subset = await metadata.get_child("0:IsNamespaceSubset")
        return {
            "data_type": type(result).__name__,
            "type": (await kind.read_browse_name()).Name,
            "id": result.ResultId.Id,
            "part": result.PartId.Id,
            "state": result.ResultState,
            "content": [one.Value for one in result.ResultContent],
            "duration_ms": result.ProcessingTimes.ProcessingDuration,
            "subset": await subset.read_value(),
        }


class Deaf:
    """Takes long for each event."""

    def event_notification(self, _: object) -> None:
        """Hold up everything else, too."""
        time.sleep(0.05)


async def listen(url: str) -> None:
    """Say that it has subscribed, then listen."""
    async with Client(url, timeout=30) as client:
        subscription = await client.create_subscription(20, Deaf())
        await subscription.subscribe_events(client.nodes.server, client.get_node("ns=2;i=1024"))
        print("subscribed", flush=True)  # noqa: T201
        await asyncio.sleep(3600)


if __name__ == "__main__":
    if sys.argv[2:]:
        asyncio.run(listen(sys.argv[1]))
    else:
        print(json.dumps(asyncio.run(read(sys.argv[1]))))  # noqa: T201
