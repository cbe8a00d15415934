"""Who is related to whom, from the HCP's restricted table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fmri_saliency.disk.tables import read_csv
from fmri_saliency.errors import InputError, nearest, unreadable

__all__ = ["read_families"]

SUBJECT = ("subject", "subjectid", "participantid", "participant", "id")
FAMILY = ("familyid", "family", "pedigreeid")
PARENTS = ("motherid", "fatherid")


def _read_table(path: Path) -> pd.DataFrame:
    """Read text separated by commas, semicolons or tabs; column names in small letters and digits only."""
    try:
        table = read_csv(path, "the families (a table, CSV)")
    except OSError as error:
        raise InputError(unreadable(error, path)) from None
    plain = [re.sub(r"[^0-9a-z]", "", name.lower()) for name in table.columns]
    for name in {*SUBJECT, *FAMILY, *PARENTS}:
        if plain.count(name) > 1:
            same = [shown for shown, one in zip(table.columns, plain, strict=True) if one == name]
            raise InputError(f"The families {path} have two columns of one name, {' and '.join(same)}. Remove one.")
    table.columns = plain
    table = table.loc[:, ~table.columns.duplicated()].apply(lambda column: column.str.strip(' "'))
    return table.mask(table == "")


def _column(table: pd.DataFrame, names: tuple[str, ...], shown: str, path: Path) -> str:
    found = [name for name in names if name in table]
    if not found:
        raise InputError(f"The families {path} need the columns Subject and Family_ID; '{shown}' is missing. It has: "
                         f"{', '.join(table.columns[:12])}.{nearest(names[0], table.columns)}")
    return found[0]


def _join(table: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return a number for each row: the same for rows that share an entry of a column, directly or through others."""
    here, other, taken = [], [], len(table)
    for column in columns:
        codes, names = pd.factorize(table[column].replace("0", np.nan))
        rows = np.flatnonzero(codes >= 0)
        here.append(rows)
        other.append(codes[rows] + taken)
        taken += len(names)
    ends = np.concatenate(here).astype(np.int32), np.concatenate(other).astype(np.int32)  # what csgraph reads
    links = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(taken, taken))
    return connected_components(links, directed=False)[1][: len(table)]


def read_families(path: Path) -> dict[str, str]:
    """Read who belongs to which family from the HCP's restricted table.

    The ``Family_ID`` of the S1200 release names a mother and a father, so half-siblings have
    different ones; where the table has the columns ``Mother_ID`` and ``Father_ID`` (and
    ``Pedigree_ID``), people who share any of them are one family, too, as in Winkler et al.,
    NeuroImage 2015, doi:10.1016/j.neuroimage.2015.05.092 (multi-level block permutation).

    Parameters
    ----------
    path : Path
        CSV with the columns Subject and Family_ID, in any case and with or without the underscore;
        semicolons and tabs are understood. A subject may be listed several times, in one family.

    Returns
    -------
    dict
        Subject to family. A family is named by its first Family_ID in alphabetical order. People
        without a Family_ID are left out.

    Raises
    ------
    InputError
        If the file is no table, a column is missing, or a subject is in two families.
    """
    path = Path(path)
    table = _read_table(path)
    subject = _column(table, SUBJECT, "Subject", path)
    family = _column(table, FAMILY, "Family_ID", path)
    table = table.dropna(subset=[subject])
    table[subject] = table[subject].str.removeprefix("sub-").str.replace(r"\.0+$", "", regex=True)
    table = table.dropna(subset=[family])
    given = table.drop_duplicates([subject, family])
    twice = given[given[subject].duplicated(keep=False)]
    if len(twice):
        name = twice[subject].iloc[0]
        of = ", ".join(sorted(twice.loc[twice[subject] == name, family]))
        raise InputError(f"The families {path} list subject {name} in more than one family ({of}). Correct the table.")
    if table.empty:
        raise InputError(f"The families {path} name nobody's family: every Family_ID is empty.")
    kin = [subject, family, *(name for name in (*PARENTS, "pedigreeid") if name in table and name != family)]
    table = table.sort_values(family, kind="stable").reset_index(drop=True)
    return dict(zip(table[subject], table.groupby(_join(table, kin))[family].transform("first"), strict=True))
