"""One file per kind of source: each turns a name or a file into a model."""
