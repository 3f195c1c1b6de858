"""A station that systemd starts, watches and ends: its unit file, and what the two tell each other.

``docs/service.md`` has it for people.
"""
