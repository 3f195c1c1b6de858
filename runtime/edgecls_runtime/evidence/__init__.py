"""Kept images of parts: written by an output, looked at by people, judged again by another bundle.

The folder is the index: names say when, what and which verdict, and beside each image stands a
small JSON file. There is nothing to repair after a crash, and ``ls``, ``rsync`` and ``rm`` work.
"""
