"""The commands that run on the build machine: one file each."""
