"""Where the bundle comes from, what the device does to an image, and what could not be read."""

from edgecls.manifest import Manifest
from edgecls_exporters import figures
from edgecls_exporters.page.markup import Html, element, folded, joined, table
from edgecls_exporters.report import Report

# More skipped files than this are shown on demand only.
AT_ONCE = 5


def part(report: Report, manifest: Manifest) -> Html:
    """Return provenance, preprocessing and skipped files; it is never empty."""
    seen = manifest.preprocessing
    facts = {
        **manifest.provenance,
        "network input": f"{seen.size[0]} x {seen.size[1]} px, RGB",
        "resize": f"{seen.resize} to {seen.resize_size[0]} x {seen.resize_size[1]} px, "
        f"{seen.interpolation}; then the centre",
        "mean, std": f"{_three(seen.mean)}; {_three(seen.std)}, in the graph",
        "thresholds": ", ".join(f"{t:g}" for t in manifest.thresholds[:20]) or "none",
        "duplicates": f"{figures.counted(report.duplicates, 'file')} left out",
    }
    return joined(
        [table("Provenance", ("what", "value"), list(facts.items()), left=(1,)), _skipped(report)]
    )


def _three(values: tuple[float, float, float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _skipped(report: Report) -> Html:
    if not report.skipped:
        return Html()
    title = f"{figures.counted(len(report.skipped), 'file')} could not be read"
    found = element("ul", *(element("li", message) for message in report.skipped), class_="files")
    if len(report.skipped) > AT_ONCE:
        return folded(title, found)
    return joined([element("h3", title), found])
