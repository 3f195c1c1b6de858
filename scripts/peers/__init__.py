"""Peers of edgecls, for scripts/bench_peers.py: one file each, run in a venv of its own.

A peer's file holds:

- its pinned requirements, as a ``# /// script`` block at the top (PEP 723), so that the benchmark
  reads them without importing the peer; ``[tool.edgecls] no-deps`` lists what pip must install
  without its dependencies, ``needs`` says what the peer cannot do, and why;
- ``ENGINES``: what it runs a network by, such as ``fp32`` and ``int8``;
- ``prepare(model, engine)``: convert once, into the model's folder;
- ``open(model, engine, threads)``: load, and return an ``Engine``.

Only ``worker`` imports it. ``model``, ``pixels`` and ``worker`` need numpy and OpenCV, no edgecls.
"""
