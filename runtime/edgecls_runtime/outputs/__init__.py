"""One file per kind of output; its name is the kind's in a station file."""
