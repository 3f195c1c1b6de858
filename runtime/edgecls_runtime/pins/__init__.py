"""Lines of a board: read, driven, and what is made of them: lights, a watchdog, a gate."""
