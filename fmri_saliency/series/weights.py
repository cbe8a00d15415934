"""What a region is to a scan: the weight of every voxel in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from fmri_saliency.records import Atlas

__all__ = ["RegionWeights", "label_weights", "map_weights", "region_signals", "region_weights"]


@dataclass(frozen=True)
class RegionWeights:
    """Weights of the voxels that belong to any region.

    Attributes
    ----------
    matrix : sparse array of float64, shape (n_regions, n_voxels)
        1 where a voxel has the region's label; the weight itself for a probabilistic map.
    voxels : ndarray of int, shape (n_voxels,)
        Where these voxels lie in a frame in Fortran order (first axis fastest).
    shape : tuple of int
        Of the grid.
    """

    matrix: sparse.csr_array
    voxels: np.ndarray
    shape: tuple[int, int, int]

    def count(self, chosen: np.ndarray) -> np.ndarray:
        """Return how many of the `chosen` voxels (bool, shape (n_voxels,)) each region has, shape (n_regions,)."""
        return (self.matrix != 0).astype(float) @ chosen.astype(float)

    def share(self, chosen: np.ndarray) -> np.ndarray:
        """Return the share (0 to 1) of each region's absolute weight that lies in the `chosen` voxels."""
        size = abs(self.matrix)
        whole = size.sum(axis=1)
        return np.divide(size @ chosen.astype(float), whole, out=np.zeros(len(whole)), where=whole > 0)


def label_weights(labels: np.ndarray, index: np.ndarray) -> RegionWeights:
    """Return the weights of regions that are labels in an image.

    Parameters
    ----------
    labels : ndarray of int, shape (x, y, z)
    index : ndarray of int, shape (n_regions,)
        The label of each region; one that no voxel has gives a row of zeros.
    """
    flat = labels.ravel(order="F")
    order = np.argsort(index)
    place = np.minimum(np.searchsorted(index, flat, sorter=order), len(index) - 1)
    row = order[place]
    voxels = np.flatnonzero((index[row] == flat) & (flat != 0))
    entries = (np.ones(len(voxels)), (row[voxels], np.arange(len(voxels))))
    return RegionWeights(sparse.csr_array(entries, shape=(len(index), len(voxels))), voxels, labels.shape)


def map_weights(maps: np.ndarray) -> RegionWeights:
    """Return the weights of regions that are maps, shape (x, y, z, n_regions); what is not finite counts as 0."""
    flat = np.nan_to_num(maps.reshape(-1, maps.shape[3], order="F"), posinf=0.0, neginf=0.0)
    voxels = np.flatnonzero(flat.any(axis=1))
    return RegionWeights(sparse.csr_array(flat[voxels].T, dtype=float), voxels, maps.shape[:3])


def region_weights(atlas: Atlas) -> RegionWeights:
    """Return the weights of an atlas: of its maps where it has them, else of its labels."""
    maps = getattr(atlas, "maps", None)
    return label_weights(atlas.labels, atlas.regions["index"].to_numpy()) if maps is None else map_weights(maps)


def region_signals(products: np.ndarray, weights: RegionWeights, covered: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Turn weighted sums over voxels into the signals of the usable regions.

    The signals S of the regions that explain the voxels best, min ||V - S W||^2, are
    S = (V W') (W W')^-1, where W are the weights (n_regions, n_voxels) and V the voxels
    (n_times, n_voxels): what nilearn's NiftiMapsMasker computes, and stage 1 of dual
    regression (Beckmann et al. 2009, doi:10.1016/S1053-8119(09)71511-3). For labels, whose rows
    do not overlap, W W' holds the numbers of voxels and S are the means.

    Parameters
    ----------
    products : ndarray, shape (n_times, n_regions)
        V W' over the covered voxels.
    weights : RegionWeights
    covered : ndarray of bool, shape (n_voxels,)
    usable : ndarray of bool, shape (n_regions,)
        Regions that take part.

    Returns
    -------
    ndarray, shape (n_times, n_usable)
    """
    matrix = weights.matrix[usable][:, covered]
    overlap = (matrix @ matrix.T).tocsr()
    size = overlap.diagonal()
    if overlap.nnz == np.count_nonzero(size):
        return products[:, usable] / size
    return linalg.lstsq(overlap.toarray(), products[:, usable].T)[0].T
