"""Modbus TCP: a PLC that is asked, the registers of a result, and the map that a PLC asks for."""
