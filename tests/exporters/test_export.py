"""The export, specified: what a user gets, and what is refused."""

from edgecls.bundle import Bundle
from parts import Made


def test_an_export_ends_with_a_table_measured_on_images_that_calibration_never_saw(
    made: Made,
) -> None:
    rows = {row.name: row for row in made.report.rows}

    assert made.report.calibrated == 24
    assert {row.images for row in rows.values()} == {56}
    assert rows["pytorch"].accuracy is not None
    assert rows["pytorch"].accuracy > 0.95
    assert rows["fp32"].agreement == 1.0
    assert rows["int8"].agreement >= 0.95
    assert [v.name for v in Bundle.open(made.path).variants] in (["fp32", "int8"], ["int8", "fp32"])
