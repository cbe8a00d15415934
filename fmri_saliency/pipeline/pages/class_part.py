"""The part of the page about a class: the brain through time, the map, and the leading regions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image

from fmri_saliency.attribution import METHODS
from fmri_saliency.brain import Hemisphere
from fmri_saliency.disk.bids_names import clean_label
from fmri_saliency.disk.files import atomic_path
from fmri_saliency.pipeline.pages.animations import save_animation
from fmri_saliency.pipeline.pages.class_events import class_events, say_events
from fmri_saliency.pipeline.pages.html import Animation, Film, Picture, Volume
from fmri_saliency.pipeline.pages.pictures import QUALITY, draw_picture
from fmri_saliency.pipeline.study.config import Config
from fmri_saliency.pipeline.study.folder import Workspace
from fmri_saliency.plotting import (
    GlassFilm,
    animate_glass,
    draw_glass_film,
    plot_glass,
    plot_glass_strip,
    plot_region_time,
    plot_surface,
    plot_time_courses,
    view_volume,
)
from fmri_saliency.records import Atlas, Run, Saliency

__all__ = ["ClassSetting", "class_part", "clock_of"]

N_LEADING = 20
N_COURSES = 4
N_MOMENTS = 5
MAX_FRAMES = 60
"""Moments of the slider; longer windows show every second, third ... frame."""
N_PICTURES = 24
"""Pictures of the animation at most."""
SECONDS, PLAYS, DPI = 0.3, 2, 60
"""Of the animation: for how long each picture is seen, how often it runs, and pixels per inch."""
FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}
ORDINALS = {2: "second", 3: "third"}


@dataclass(frozen=True)
class ClassSetting:
    """What the parts of all classes share.

    Attributes
    ----------
    config : Config
    classes : Saliency
    whole : Saliency
        Per sample.
    people : ndarray of str, shape (n_samples,)
        Whose each sample is.
    atlas : Atlas
    runs : sequence of Run
    table : DataFrame
        Leading regions of all classes.
    table_path : str
        Where it lies, from the folder of the page.
    open_volumes : tuple of str
        The classes whose map can be clicked through.
    meshes : mapping of side to Hemisphere
        Surfaces to draw grayordinates on, if there are any.
    """

    config: Config
    classes: Saliency
    whole: Saliency
    people: np.ndarray
    atlas: Atlas
    runs: Sequence[Run]
    table: pd.DataFrame
    table_path: str
    open_volumes: tuple[str, ...] = ()
    meshes: Mapping[str, Hemisphere] = field(default_factory=dict)

    @property
    def signed(self) -> bool:
        """Whether a negative value speaks against a class."""
        return METHODS[self.classes.method].signed


def clock_of(config: Config) -> str:
    """Return the label of time axes."""
    return f"Time from the {config.samples.zero} (s)"


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _leading(table: pd.DataFrame, label: str) -> list[dict[str, Any]]:
    rows = []
    for row in table[table["class"] == label].head(N_LEADING).to_dict("records"):
        place = [row.get(axis) for axis in "xyz"]
        known = all(isinstance(v, int | float) and np.isfinite(v) for v in place)
        rows.append(
            {
                "rank": row["rank"],
                "region": row["region"],
                "hemisphere": _words(row.get("hemisphere")),
                "network": _words(row.get("network")),
                "centre": ", ".join(f"{v:g}" for v in place) if known else "",
                "across": f"{place[0]:g}" if known else "",  # what centres are sorted by: from left to right
                "mean": f"{row['mean']:.4g}",
                "mean_abs": f"{row['mean_abs']:.4g}",
                "peak": f"{row['peak_s']:.1f}",
            }
        )
    return rows


def _networks(atlas: Atlas, names: Sequence[str]) -> tuple[str, ...]:
    """Return the network of each named region; nothing where the atlas knows none."""
    if "network" not in atlas.regions:
        return ()
    known = dict(zip(atlas.names, atlas.regions["network"].fillna("none").astype(str), strict=True))
    return tuple(known[name] for name in names)


def _save_sheet(film: GlassFilm) -> bytes:
    """Return the moments below each other as WebP without loss."""
    n, height, width = film.frames.shape
    sheet = Image.frombytes("P", (width, n * height), film.frames.tobytes())
    sheet.putpalette(film.colours.tobytes())
    stream = io.BytesIO()
    sheet.convert("RGB").save(stream, "webp", lossless=True, method=4)
    return stream.getvalue()


def _save_outlines(film: GlassFilm) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(film.outlines).save(stream, "png", optimize=True)
    return stream.getvalue()


def _film(setting: ClassSetting, position: int, path: Path) -> Film | None:
    """Draw the brain through time; None for grayordinates, which have no glass brain."""
    classes, label = setting.classes, setting.classes.labels[position]
    if setting.atlas.grayordinates is not None:
        return None
    values = classes.values[position]
    every = -(-len(values) // MAX_FRAMES)
    moments = np.arange(0, len(values), every)
    film = draw_glass_film(values[moments], setting.atlas, classes.unit, signed=setting.signed)
    sheet = _save_sheet(film)
    with atomic_path(path) as temporary:
        temporary.write_bytes(sheet)
    first = int(np.abs(values[moments]).sum(axis=1).argmax())
    skipped = "" if every == 1 else f"every {ORDINALS.get(every, f'{every}th')} frame, "
    caption = f"{label}: glass brains at {len(moments)} moments ({skipped}{classes.unit}), one range of colours; the " \
              f"slider says which. It begins at the moment with most saliency. {clock_of(setting.config)}."
    size = (film.frames.shape[2], film.frames.shape[1])
    times = tuple(f"{classes.start + moment * classes.t_r:.2f} s" for moment in moments)
    return Film(sheet, _save_outlines(film), size, times, first, caption)


def _animation(setting: ClassSetting, position: int, path: Path) -> Animation | None:
    """Draw the brain moving, twice through the window and no more; None for grayordinates."""
    classes, label = setting.classes, setting.classes.labels[position]
    if setting.atlas.grayordinates is not None:
        return None
    values = classes.values[position]
    every = -(-len(values) // N_PICTURES)
    pictures = animate_glass(values, setting.atlas, classes.t_r, label, classes.unit, classes.start, every=every,
                             signed=setting.signed, dpi=DPI)  # fmt: skip
    save_animation(pictures, path, SECONDS, PLAYS)
    caption = f"{label}: the same as an animation of {len(pictures)} moments from four sides"
    first = int(np.abs(values[::every]).sum(axis=1).argmax())
    stream = io.BytesIO()
    Image.fromarray(pictures[first]).save(stream, "webp", quality=QUALITY)
    still = Picture(stream.getvalue(), caption, "image/webp")
    moving = Picture(path.read_bytes(), caption, "image/gif")
    return Animation(moving, still, quote(f"{path.parent.name}/{path.name}"))


def _volume(setting: ClassSetting, position: int) -> Volume | None:
    label = setting.classes.labels[position]
    if label not in setting.open_volumes or setting.atlas.grayordinates is not None:
        return None
    values = setting.classes.values[position].mean(axis=0)
    name = f"class-{clean_label(label)}"
    page = view_volume(values, setting.atlas, name, setting.classes.unit, signed=setting.signed)
    return Volume(page, f"{label}: click through the mean over time, slice by slice, on the MNI template")


def _courses(setting: ClassSetting, label: str) -> tuple[list[str], np.ndarray]:
    """Return the leading regions of a class, and their course over time in each person, the mean of its samples."""
    names = setting.table.loc[setting.table["class"] == label, "region"].head(N_COURSES).astype(str).tolist()
    columns = [setting.whole.names.index(name) for name in names]
    rows = np.flatnonzero(np.array(setting.whole.labels) == label)
    values = np.stack([setting.whole.values[row][:, columns] for row in rows])
    people = setting.people[rows]
    return names, np.stack([values[people == person].mean(axis=0) for person in dict.fromkeys(people)])


def _surface(setting: ClassSetting, position: int, path: Path) -> Picture | None:
    """Draw the mean over time on the cortex; None for scans in no MNI space, and grayordinates without surfaces."""
    classes, atlas, meshes = setting.classes, setting.atlas, setting.meshes
    if not (meshes if atlas.grayordinates is not None else atlas.is_mni):
        return None
    label = classes.labels[position]
    figure = plot_surface(classes.values[position].mean(axis=0), atlas, f"{label}: mean over time", classes.unit,
                          signed=setting.signed, meshes=meshes or None)  # fmt: skip
    where = "surfaces that [output] names" if meshes else "cortex of fsaverage5"
    return draw_picture(figure, path, f"{label}: mean over time, on the {where}.")


def _held_out(classes: Saliency, position: int) -> str:
    n_samples = classes.n_averaged[position]
    return f"{n_samples} held-out sample{'' if n_samples == 1 else 's'}"


def _pictures(setting: ClassSetting, position: int, folder: Path) -> dict[str, Any]:
    config, classes, atlas = setting.config, setting.classes, setting.atlas
    label, values = classes.labels[position], classes.values[position]
    stem, start, unit = clean_label(label), classes.start, classes.unit
    frames = classes.moments(N_MOMENTS)[position]
    events = class_events(config, setting.runs, label, start, start + len(values) * classes.t_r)
    mean, signed = values.mean(axis=0), setting.signed
    glass = plot_glass(mean, atlas, f"{label}: mean over time", unit, signed=signed)
    strip = plot_glass_strip(
        values, atlas, classes.t_r, [start + k * classes.t_r for k in frames], label, start, unit, signed=signed
    )
    heatmap = plot_region_time(
        values, classes.names, classes.t_r, events, label, unit, start, clock_of(config),
        _networks(atlas, classes.names), signed=signed,
    )  # fmt: skip
    names, people = _courses(setting, label)
    courses = plot_time_courses(people, names, classes.t_r, events, f"{label}: leading regions", unit, start,
                                clock_of(config))  # fmt: skip
    alike = " and over people" if len(people) > 1 else ""
    spread = f"mean and 95 % interval over {len(people)} people" if len(people) > 1 else "of the one person"
    bars = say_events(config, setting.runs, label, events, start)
    which = "every moment of the window" if len(frames) == len(values) else \
        f"the moment with most saliency in each {FRACTIONS[len(frames)]} of the window (its middle where there is no " \
        "peak of its own)"
    return {
        "glass": draw_picture(glass, folder / f"class-{stem}_glass.png",
                          f"Saliency of {label}, mean over time{alike} ({_held_out(classes, position)}); "
                          "from the left: left side, back, right side, top."),
        "strip": draw_picture(strip, folder / f"class-{stem}_strip.png",
                          f"{label} at {which}, one range of colours. {clock_of(config)}."),
        "heatmap": draw_picture(heatmap, folder / f"class-{stem}_heatmap.png",
                            f"{label}: every region at every moment{bars}."),
        "courses": draw_picture(courses, folder / f"class-{stem}_courses.png",
                            f"{label}: the {len(names)} leading regions through time, {spread}{bars}."),
        "surface": _surface(setting, position, folder / f"class-{stem}_surface.png"),
    }  # fmt: skip


def class_part(setting: ClassSetting, position: int) -> dict[str, Any]:
    """Draw what the page shows of the class at `position`.

    Returns
    -------
    dict
        `id`, `name`, `film`, `animation`, `volume` and `surface` (None where there is none), `glass`, `strip`,
        `heatmap`, `courses`, `unit`, `regions`, `n_regions`, `table`.
    """
    classes = setting.classes
    label, folder = classes.labels[position], Workspace(setting.config.output.path).root / "figures"
    stem = clean_label(label)
    return {
        "id": f"class-{stem}",
        "name": f"{label} ({_held_out(classes, position)})",
        "film": _film(setting, position, folder / f"class-{stem}_film.webp"),
        "animation": _animation(setting, position, folder / f"class-{stem}_motion.gif"),
        "volume": _volume(setting, position),
        **_pictures(setting, position, folder),
        "unit": classes.unit,
        "regions": _leading(setting.table, label),
        "n_regions": int((setting.table["class"] == label).sum()),
        "table": setting.table_path,
    }
