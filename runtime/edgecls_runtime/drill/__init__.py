"""The drill: faults that a line will see one day, tried on the user's own station beforehand.

The station runs in a process of its own in a scratch folder, with its own bundle, provider, rule,
views and health; its camera is replaced by one that shows the same pictures and does what a script
says, its journal lies in the scratch folder, and no pin, PLC or broker is told anything.
"""
