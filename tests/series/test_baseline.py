"""Per cent of a mean that is no baseline is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from making import T_R

from fmri_saliency.errors import InputError
from fmri_saliency.records import Atlas, Run
from fmri_saliency.series import Cleaning, extract_run
from fmri_saliency.series.baseline import check_baseline

STEPS = np.tile([-1.0, 1.0], 20)[:, None]  # median and mean 0, interquartile range 2: a normal sd of 2 / 1.349


@pytest.mark.parametrize(("mean", "fine"), [(1000, True), (3.0, True), (2.9, False), (0, False), (-1000, False)])
def test_the_middle_must_be_two_standard_deviations_above_0(mean: float, fine: bool) -> None:
    signals = np.hstack([1000 + STEPS, mean + STEPS])
    if fine:
        check_baseline(signals, ("a", "b"), "x.nii.gz")
        return
    with pytest.raises(InputError, match=r"in x\.nii\.gz, 1 of 2 regions have none \(the first, 'b', lies around"):
        check_baseline(signals, ("a", "b"), "x.nii.gz")


def test_a_frame_that_jumps_and_a_region_without_data_do_not_decide() -> None:
    signals = np.hstack([100 + STEPS, np.full((40, 1), np.nan)])
    signals[7, 0] = 1e5
    check_baseline(signals, ("a", "b"), "x")


@pytest.mark.parametrize("reader", ["streaming", "nilearn"])
@pytest.mark.parametrize("demeaned", [False, True])
def test_demeaned_scans(write_bold: Callable, atlas: Atlas, reader: str, demeaned: bool) -> None:
    noise = 10 * np.random.default_rng(0).standard_normal((*atlas.labels.shape, 40))
    path = write_bold((noise + 1000 * (not demeaned)).astype(np.float32), atlas.affine)
    run, cleaning = Run("01", "rest", path, T_R, 40), Cleaning(standardize="psc", reader=reader)
    if not demeaned:
        assert np.abs(extract_run(run, atlas, cleaning).values).max() < 10  # per cent
        return
    with pytest.raises(InputError, match=r'Per cent signal change needs a mean.*Set standardize = "zscore_sample"'):
        extract_run(run, atlas, cleaning)
    extract_run(run, atlas, Cleaning(reader=reader))
