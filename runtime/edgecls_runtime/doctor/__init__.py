"""A station file gone through room by room, as if it were run, and nobody told.

``docs/doctor.md`` has it for people.
"""
