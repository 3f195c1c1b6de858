"""Telling outputs what was decided: each in a thread of its own, so that none delays a verdict."""
