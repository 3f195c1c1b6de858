"""A file of labels: one a line, in the order of the logits."""

from pathlib import Path

from edgecls.errors import ExportError


def read_labels(file: Path) -> tuple[str, ...]:
    """Read the labels of a file; empty lines and spaces around a label do not count.

    Raises:
        ExportError: No such file, not text, or a label stands in it twice.

    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportError(f"{file}: {error}; expected a label a line") from error
    labels = tuple(line.strip() for line in lines if line.strip())
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ExportError(f"{file}: {', '.join(twice[:5])} more than once")
    return labels
