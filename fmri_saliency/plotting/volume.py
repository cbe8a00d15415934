"""A map to click through, slice by slice, as a page of its own."""

from __future__ import annotations

import re
import warnings

import nibabel as nib
import numpy as np
from nilearn.datasets import load_mni152_template
from nilearn.plotting import view_img

from fmri_saliency.brain import project_regions
from fmri_saliency.brain.fsleyes import region_voxels
from fmri_saliency.plotting.colours import SIGNED, UNSIGNED
from fmri_saliency.records import Atlas

__all__ = ["view_volume"]

BACKGROUND_MM = 3  # nilearn's viewer holds every slice of the background: at 2 mm a page is three times as large


def view_volume(values: np.ndarray, atlas: Atlas, name: str, unit: str = "", *, signed: bool = True) -> str:
    """Return nilearn's interactive viewer of a map on the MNI template, as HTML that needs no network.

    It opens at the region with the largest absolute value.

    Parameters
    ----------
    values : ndarray, shape (n_regions,)
        NaN is drawn as 0.
    atlas : Atlas
        Of voxels, in an MNI space.
    name : str
        Of the map; letters, digits and hyphens, unlike that of any other viewer on the same page.
    unit : str
        Of the values; stands beside their scale, where some 20 letters have room.
    signed : bool
        Whether negative values have a meaning, and colours of their own.

    Returns
    -------
    str
        A document with scripts of its own; the same for the same map.
    """
    values = np.nan_to_num(values)
    image = project_regions(values, atlas)
    voxel = region_voxels(atlas)[np.abs(values).argmax()]
    centre = None if (voxel < 0).any() else nib.affines.apply_affine(atlas.affine, voxel).tolist()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Warning: 'partition' will ignore the 'mask'")  # numpy, of nilearn
        view = view_img(image, bg_img=load_mni152_template(BACKGROUND_MM), title=unit or name, cut_coords=centre,
                        black_bg=False, cmap=SIGNED if signed else UNSIGNED, symmetric_cmap=signed, threshold=1e-9,
                        width_view=700, resampling_interpolation="nearest")  # fmt: skip
    page = re.sub(r"<link\b[^>]*>", "", view.html)  # an icon from the network
    drawn = re.search(r'id="div_viewer-(\w+)"', page)  # a random number, which would make every page another one
    return page.replace(drawn[1], name) if drawn else page
