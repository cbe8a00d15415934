"""Maps as tables: a row per region, or per network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.records import Atlas, Saliency

__all__ = ["describe_columns", "network_table", "region_table", "region_time_table"]


def region_table(classes: Saliency, atlas: Atlas, absent: Sequence[str] = ()) -> pd.DataFrame:
    """List every region of every class, leading regions first.

    Ranked by the signed mean over time for contributions, by its absolute value for
    sensitivities (whose sign does not speak for or against the class).
    """
    regions = atlas.regions.set_index(atlas.regions["name"].astype(str))
    rows = []
    for position, label in enumerate(classes.labels):
        mean = classes.over_time()[position]
        size = np.abs(classes.values[position]).mean(axis=0)
        strength = mean if classes.unit == "logit" else size
        peak = classes.peak_time()[position]
        for rank, region in enumerate(np.argsort(-strength, kind="stable"), start=1):
            name = classes.names[region]
            about = {key: regions.at[name, key] for key in ("hemisphere", "network", "x", "y", "z") if key in regions}
            values = {"mean": float(mean[region]), "mean_abs": float(size[region]), "peak_s": float(peak[region])}
            values = {key: float(f"{value:.6g}") for key, value in values.items()}
            rows.append({"class": label, "rank": rank, "region": name, **about, **values, "absent": name in absent})
    return pd.DataFrame(rows)


def region_time_table(one: Saliency, atlas: Atlas) -> pd.DataFrame:
    """List every region of one map, leading regions first, with its value at every time step.

    Parameters
    ----------
    one : Saliency
        With a single map; NaN in regions without a value.
    atlas : Atlas

    Returns
    -------
    DataFrame
        :func:`region_table`'s columns, then one per time step, called by its seconds: ``t_0.720``.
    """
    values = one.values[0]
    absent = np.isnan(values).all(axis=0)
    table = region_table(one, atlas, np.array(one.names)[absent].tolist())
    table.loc[table["absent"], "peak_s"] = np.nan
    order = pd.Index(one.names).get_indexer(table["region"])
    seconds = one.start + np.arange(len(values)) * one.t_r
    over_time = pd.DataFrame(values[:, order].T, columns=[f"t_{second:.3f}" for second in seconds])
    return pd.concat([table, over_time], axis=1)


def network_table(regions: pd.DataFrame) -> pd.DataFrame:
    """Summarise a region table by network and hemisphere, strongest networks first within each class.

    Parameters
    ----------
    regions : DataFrame
        As from :func:`region_table`, with the column `network`; regions that no scan covers, and those without a
        network, are left out.

    Returns
    -------
    DataFrame
        `class`, `network`, `hemisphere` where it is known, `n_regions`, and the means of `mean` and `mean_abs` over
        them; `share` is of the class's total `mean_abs`.
    """
    keys = ["class", "network", *(["hemisphere"] if "hemisphere" in regions else [])]
    covered = regions[~regions["absent"]]
    groups = covered[covered["network"].notna()].groupby(keys, dropna=False)
    table = groups.agg(n_regions=("region", "size"), mean=("mean", "mean"), mean_abs=("mean_abs", "mean")).reset_index()
    total = table["class"].map(covered.groupby("class")["mean_abs"].sum())
    table["share"] = table["mean_abs"] * table["n_regions"] / total
    return table.round(6).sort_values(["class", "share"], ascending=[True, False], ignore_index=True)


def describe_columns(config: Config, classes: Saliency) -> dict[str, Any]:
    """Describe the columns of the region table, as BIDS has it."""
    by = "mean" if classes.unit == "logit" else "mean_abs"
    return {
        "class": {"Description": "The class whose logit was explained"},
        "rank": {"Description": f"1 is the region with the largest {by}"},
        "region": {"Description": "Name of the region in the atlas"},
        "hemisphere": {"Description": "Hemisphere, where the atlas knows it"},
        "network": {"Description": "Network that the atlas assigns the region to"},
        "n_regions": {"Description": "Regions of the network that scans cover; means are over them"},
        "share": {"Description": "Share of the sum of mean_abs over all regions of the class"},
        **{axis: {"Description": f"Centroid, {axis}, in the atlas's space", "Units": "mm"} for axis in "xyz"},
        "mean": {"Description": "Signed saliency, mean over time and held-out samples", "Units": classes.unit},
        "mean_abs": {"Description": "Absolute value of the class map, mean over time", "Units": classes.unit},
        "peak_s": {"Description": f"Time of the largest absolute value, from the {config.samples.zero}; every region "
                                  "has one, also where saliency is noise: read it beside mean_abs", "Units": "s"},
        "absent": {"Description": "True where no scan covers the region"},
        **{f"t_{second:.3f}": {"Description": f"Saliency at {second:.3f} s", "Units": classes.unit}
           for second in classes.start + np.arange(classes.values.shape[1]) * classes.t_r},
    }  # fmt: skip
