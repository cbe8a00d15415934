"""What is regressed out of a run: columns by name, or groups of columns by nilearn's strategies."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from nilearn.interfaces.fmriprep import load_confounds

from fmri_saliency.disk.tables import line_of, read_spaced, read_tsv, to_numbers
from fmri_saliency.errors import InputError, UnreachableError
from fmri_saliency.records import Run
from fmri_saliency.series.settings import Denoise

__all__ = ["HCP_MOVEMENT", "Nuisance", "described_by", "gather_confounds",
           "read_confounds", "read_table"]  # fmt: skip

HCP_MOVEMENT = tuple(
    f"{kind}_{axis}{form}" for form in ("", "_derivative1") for kind in ("trans", "rot") for axis in "xyz"
)
"""Names given to the 12 columns of the HCP's Movement_Regressors.txt (rotations in degrees)."""

AROMA = "smoothAROMAnonaggr"
SCRUBBED = ("framewise_displacement", "std_dvars")


@dataclass(frozen=True)
class Nuisance:
    """What is regressed out of one run.

    Attributes
    ----------
    table : DataFrame or None
        Shape (n_times, n_columns).
    marked : tuple of int
        Frames, counted from 0, that are outliers by movement or came before the signal was steady.
        They are kept in the series.
    """

    table: pd.DataFrame | None
    marked: tuple[int, ...] = ()

    @property
    def history(self) -> dict[str, Any]:
        """What the sidecar of the series says of it."""
        columns = [] if self.table is None else list(map(str, self.table.columns))
        return {"confounds_used": columns, "marked_frames": list(self.marked)}


def gather_confounds(run: Run, columns: tuple[str, ...], denoise: Denoise) -> Nuisance:
    """Read the confounds of a run by name (:func:`read_confounds`) or by strategy.

    Raises
    ------
    InputError
        If they cannot be read, or do not fit the run.
    """
    if not denoise.strategy:
        return Nuisance(read_confounds(run, columns))
    if run.confounds is None:
        raise InputError(f"strategy in [cleaning.denoise] asks for {', '.join(denoise.strategy)}, but {run.bold} has "
                         "no confound file.")
    if run.confounds.suffix == ".txt":
        raise InputError(f"The strategies in [cleaning.denoise] are made for the tables of fMRIPrep; {run.confounds} "
                         'is none. Name columns by confounds in [cleaning], for example ["all"].')
    aroma = "ica_aroma" in denoise.strategy and denoise.ica_aroma == "full"
    if aroma and f"desc-{AROMA}" not in run.bold.name:
        raise InputError(f'ica_aroma = "full" in [cleaning.denoise] needs scans that fMRIPrep has denoised; {run.bold} '
                         f'is none. Set description = "{AROMA}" in [scans.bids], or ica_aroma = "basic".')
    whole = read_table(run)
    _check_length(whole, run)
    table, kept = _load_by_strategy(run, whole, denoise, AROMA if aroma else "preproc")
    marked = np.setdiff1d(np.arange(run.n_times), kept) if kept is not None else []
    if len(marked) == run.n_times:
        raise InputError(f"Every frame of {run.bold} is an outlier by the thresholds in [cleaning.denoise].")
    scrubbed = [name for name in SCRUBBED if name in whole] if "scrub" in denoise.strategy else []
    _numbers(whole, [*(name for name in table.columns if name in whole), *scrubbed], run)  # words are named
    table = _check_values(table.astype(float), whole, run) if table.shape[1] else None
    return Nuisance(table, tuple(int(frame) for frame in marked))


def described_by(run: Run, denoise: Denoise) -> Path | None:
    """Return the JSON beside the confounds of a run where it is there and read: only for the components of CompCor."""
    if run.confounds is None or "compcor" not in denoise.strategy:
        return None
    about = run.confounds.with_suffix(".json")
    return about if about.is_file() else None


def _load_by_strategy(
    run: Run, whole: pd.DataFrame, denoise: Denoise, description: str
) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Let nilearn choose the columns; return them, and the frames it would keep (None for all).

    nilearn looks the table up by the name of the image, trying every part of that name, and gives up
    when two tables of a folder fit. It gets the numbers of the table as it was read, under a name that fits once.
    """
    about = run.confounds.with_suffix(".json")
    with tempfile.TemporaryDirectory(prefix="fmri-saliency-") as folder:
        stem = Path(folder, "sub-x_task-x")
        only = whole.apply(lambda column: column.where(pd.to_numeric(column, errors="coerce").notna(), "n/a"))
        only.to_csv(f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False)
        if described_by(run, denoise):
            shutil.copyfile(about, f"{stem}_desc-confounds_timeseries.json")
        image = f"{stem}_desc-{description}_bold.nii.gz"
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="All volumes were marked")  # said by the caller
                table, kept = load_confounds(image, demean=False, **denoise.options())
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            words = str(error).replace(f"{stem}_desc-confounds_timeseries.json", about.name)
            raise InputError(f"The confounds {run.confounds} do not have what strategy = {list(denoise.strategy)} in "
                             f"[cleaning.denoise] needs: {words}") from None
    return table, kept


def read_table(run: Run) -> pd.DataFrame:
    """Read the whole confound file of a run, shape (n_times, n_columns): texts, or numbers of an HCP file.

    Raises
    ------
    InputError
        If it is no table, or one of the HCP's without its 12 columns.
    UnreachableError
        If it is not there, or cannot be read now.
    """
    if not run.confounds.is_file():
        raise UnreachableError(f"Expected a table of confounds at {run.confounds}; there is no such file.")
    try:
        if run.confounds.suffix == ".txt":
            return read_spaced(run.confounds, "movement", HCP_MOVEMENT)
        table = read_tsv(run.confounds, "a table of confounds", dtype=str, frames=True)
    except OSError as error:
        raise UnreachableError(f"The confounds {run.confounds} cannot be read: {error.strerror or error}.") from None
    if pd.to_numeric(pd.Series(table.columns), errors="coerce").notna().all():
        raise InputError(f"The first line of the confounds {run.confounds} holds numbers, "
                         f"{', '.join(table.columns[:3])}; it must name the columns.")
    return table


def read_confounds(run: Run, columns: tuple[str, ...]) -> pd.DataFrame | None:
    """Read the chosen confound columns of a run, shape (n_times, n_columns).

    Files that end in ``.txt`` are the HCP's movement regressors (12 columns without a
    header); others are tab-separated with a header. Where the first frame has no value, as that of a
    derivative, it gets the second one's, as nilearn's strategies do it: a value far from the others, such as 0 in
    DVARS, would take the regression over.

    Raises
    ------
    InputError
        If there is no file, a column is missing, the number of rows is not the number
        of frames, or a value is no number, infinite, or missing after the first frame.
    """
    if not columns:
        return None
    if run.confounds is None:
        raise InputError(f"[cleaning] confounds asks for {', '.join(columns)}, but {run.bold} has no confound file.")
    table = read_table(run)
    if columns == ("all",):
        columns = tuple(table.columns)
    else:
        missing = [column for column in columns if column not in table]
        if missing:
            raise InputError(f"The confounds {run.confounds} have no column '{missing[0]}'. They have: "
                             f"{', '.join(map(str, table.columns))}. Columns are separated by tabs.")
    _check_length(table, run)
    values = _numbers(table, columns, run)
    if len(values) > 1:
        values.iloc[0] = values.iloc[0].fillna(values.iloc[1])
    return _check_values(values, table, run)


def _check_length(table: pd.DataFrame, run: Run) -> None:
    if len(table) != run.n_times:
        raise InputError(f"The confounds {run.confounds} have {len(table)} rows; {run.bold} has {run.n_times} frames.")


def _numbers(table: pd.DataFrame, columns: Sequence[str], run: Run) -> pd.DataFrame:
    return pd.DataFrame(to_numbers(table, columns, run.confounds, "the confounds"), columns=list(columns))


def _check_values(values: pd.DataFrame, table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """Return `values`; refuse what is missing or infinite in them, by column and line of the `table` of the file."""
    wrong = np.argwhere(~np.isfinite(values.to_numpy()).T)
    if len(wrong):
        place, row = wrong[0]
        column = values.iloc[:, place]
        missing = column.isna()
        row = 1 if missing.iloc[:2].all() and len(column) > 1 else row  # the second value was to be the first one, too
        if missing.all():
            found = "has no value in any frame"
        else:
            kind = "missing" if missing.iloc[row] else "infinite"
            found = (f"is {kind} in line {line_of(table, row)} (frame {row + 1} of {len(column)}); only the first "
                     "frame may lack a value")
        raise InputError(f"The column {column.name} of the confounds {run.confounds} {found}. Leave the column out of "
                         "[cleaning], or fill in the value.")
    return values
