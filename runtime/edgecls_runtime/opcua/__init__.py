"""A vision system as OPC UA clients see it, shaped after OPC 40100-1 (``docs/opcua.md``)."""
