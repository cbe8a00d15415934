"""What benchmarks/fuzz.py does to a valid study: one change of one file, and what may come of it."""

from __future__ import annotations

import gzip
import json
import random
import struct
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import nibabel as nib
import numpy as np
import tomli_w

from fmri_saliency.pipeline import Config

SAME = "same"  # must not matter: refused, or accepted with the values of the valid study
REFUSED = "refused"  # cannot be used: no series of the runs it belongs to
ANY = "any"  # refused, or accepted: the runs it belongs to may have other values

Kind = Callable[[random.Random, Path], str]
"""Changes a study; returns in words what was done. Raises Skip where there is nothing to change."""


class Skip(Exception):  # noqa: N818
    """There is nothing in this study that the mutation could change."""


@dataclass(frozen=True)
class Mutation:
    """A way to change a study.

    Attributes
    ----------
    name : str
    files : str
        Pattern of the file that is changed, below the study.
    expected : {"same", "refused", "any"}
    change : callable
        From the generator and the path of the file to words about what was done.
    """

    name: str
    files: str
    expected: str
    change: Kind


TEXTS = ("", " ", "n/a", "NaN", "inf", "-1", "1e308", "1e-308", "0x1F", "1,5", "../../outside", "/tmp/outside", "=1+1",
         "@x", "<b>x</b>", "$(touch outside)", "`id`", "a\\b", "é", "\u202e", "\x00", "\x1b[31m", "'", '"', "x" * 300,
         "~", "~nobody", ".", "..", "-", "_", "sub-", "01", "1.0", "True", "None", "{task}", "*", "a b",
         "10" * 30)  # fmt: skip
NUMBERS = (0, -1, 1e-30, 1e30, float("nan"), float("inf"), -float("inf"), 2**31, 2**63, 0.5, 3)
VALUES: tuple[Any, ...] = (*TEXTS[:37], 0, -1, 1, 2, 10**12, 2**63, 1e308, 1e-308, float("nan"), float("inf"), True, [],
                           ["a"], [1, 2], [[1]], {"a": 1}, {"a": {"b": [1]}})  # fmt: skip


def _keys(kind: type, above: str = "") -> list[str]:
    """Return the keys and sections of a configuration."""
    found = []
    hints = get_type_hints(kind)
    for name in (item.name for item in fields(kind)):
        hint = hints[name]
        below = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
        found += [f"{above}{name}", *(_keys(below, f"{above}{name}.") if below else ())]
    return found


# the folder that is written to is always the same, so that it is known what lies outside
KEYS = (*(key for key in _keys(Config) if key != "output.path"), "cleaning.x", "unknown")


def config_value(rng: random.Random, path: Path) -> str:
    values = tomllib.loads(path.read_text())
    key, value = rng.choice(KEYS), rng.choice(VALUES)
    here, (*sections, last) = values, key.split(".")
    for section in sections:
        here = here.setdefault(section, {})
    here[last] = value
    path.write_text(tomli_w.dumps(values))
    return f"{key} = {value!r}"[:120]


def as_bom(rng: random.Random, path: Path) -> str:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return "byte-order mark"


def as_crlf(rng: random.Random, path: Path) -> str:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return "CRLF"


def no_last_newline(rng: random.Random, path: Path) -> str:
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    return "no line break at the end"


def flip_bytes(rng: random.Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    places = [rng.randrange(len(content)) for _ in range(rng.choice((1, 1, 3, 10)))] if content else []
    for place in places:
        content[place] = rng.randrange(256)
    path.write_bytes(content)
    return f"bytes at {places}"


def cut_off(rng: random.Random, path: Path) -> str:
    content = path.read_bytes()
    keep = rng.randrange(len(content)) if content else 0
    path.write_bytes(content[:keep])
    return f"cut to {keep} of {len(content)} bytes"


def empty(rng: random.Random, path: Path) -> str:
    path.write_bytes(b"")
    return "empty"


def as_folder(rng: random.Random, path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "a folder"


def remove(rng: random.Random, path: Path) -> str:
    path.unlink()
    return "removed"


def dangling(rng: random.Random, path: Path) -> str:
    path.unlink()
    path.symlink_to("../.git/annex/objects/xx/yy/SHA256E-s1--z")
    return "a link to nothing"


def _rows(path: Path) -> list[list[str]]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if len(rows) < 2:
        raise Skip
    return rows


def _write(path: Path, rows: list[list[str]]) -> None:
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n", encoding="utf-8")


def cell(rng: random.Random, path: Path) -> str:
    rows = _rows(path)
    line, column, text = rng.randrange(len(rows)), rng.randrange(len(rows[0])), rng.choice(TEXTS)
    rows[line][column] = text
    _write(path, rows)
    return f"line {line + 1}, column {column + 1}: {text[:40]!r}"


def more_fields(rng: random.Random, path: Path) -> str:
    rows = _rows(path)
    line = rng.randrange(1, len(rows))
    rows[line].insert(rng.randrange(len(rows[line]) + 1), "9")
    _write(path, rows)
    return f"a field more in line {line + 1}"


def fewer_fields(rng: random.Random, path: Path) -> str:
    rows = _rows(path)
    line = rng.randrange(1, len(rows))
    if len(rows[line]) < 2:
        raise Skip
    del rows[line][rng.randrange(len(rows[line]))]
    _write(path, rows)
    return f"a field fewer in line {line + 1}"


def trailing_tab(rng: random.Random, path: Path) -> str:
    _write(path, [[*row, ""] for row in _rows(path)])
    return "a tab at the end of every line"


def more_columns(rng: random.Random, path: Path) -> str:
    rows = _rows(path)
    place = rng.randrange(len(rows[0]) + 1)
    _write(path, [[*row[:place], "notes_x" if not k else f"{k}", *row[place:]] for k, row in enumerate(rows)])
    return f"a column of no meaning at {place + 1}"


def shuffle_columns(rng: random.Random, path: Path) -> str:
    rows = _rows(path)
    order = rng.sample(range(len(rows[0])), len(rows[0]))
    _write(path, [[row[k] for k in order] for row in rows])
    return f"columns in the order {order}"


def shuffle_rows(rng: random.Random, path: Path) -> str:
    head, *rows = _rows(path)
    _write(path, [head, *rng.sample(rows, len(rows))])
    return "lines in another order"


def repeat_row(rng: random.Random, path: Path) -> str:
    rows = _rows(path)
    rows.append(list(rng.choice(rows)))
    _write(path, rows)
    return "a line twice"


def as_latin(rng: random.Random, path: Path) -> str:
    path.write_bytes(path.read_bytes().replace(b"e", b"\xe9", 1))
    return "a letter of Latin-1"


def json_value(rng: random.Random, path: Path) -> str:
    content = json.loads(path.read_text())
    key = rng.choice([*content, "RepetitionTime", "StartTime", "SliceTimingCorrected", "VolumeTiming", "SkullStripped",
                      "TaskName", "Sources"])  # fmt: skip
    content[key] = value = rng.choice((*VALUES, None))
    path.write_text(json.dumps(content))
    return f"{key} = {value!r}"[:120]


def json_nested(rng: random.Random, path: Path) -> str:
    long = '{"RepetitionTime": ' + "9" * 5000 + "}"
    path.write_text(rng.choice(("[" * 100_000, long, "null", "[]", "3", '"x"', "{")))
    return "JSON that is none, or nested"


def _unpack(path: Path) -> bytearray:
    content = path.read_bytes()
    return bytearray(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def _pack(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(bytes(content), 1) if path.name.endswith(".gz") else bytes(content))


FIELDS = {"sizeof_hdr": (0, "i"), "dim": (40, "8h"), "intent": (68, "h"), "datatype": (70, "h"), "bitpix": (72, "h"),
          "pixdim": (76, "8f"), "vox_offset": (108, "f"), "slope": (112, "f"), "inter": (116, "f"), "xyzt": (123, "B"),
          "qform": (252, "h"), "sform": (254, "h"), "quatern": (256, "6f"), "srow": (280, "12f"),
          "magic": (344, "4B")}  # fmt: skip


def header_field(rng: random.Random, path: Path) -> str:
    content, name = _unpack(path), rng.choice(list(FIELDS))
    place, layout = FIELDS[name]
    values = list(struct.unpack_from(f"<{layout}", content, place))
    which = rng.randrange(len(values))
    kind = layout[-1]
    values[which] = value = {
        "f": lambda: rng.choice((*NUMBERS[:7], 0.5, 3.0, 1e5, 0.01)), "B": lambda: rng.randrange(256),
        "h": lambda: rng.choice((0, -1, 1, 2, 3, 4, 7, 16, 32, 64, 512, 1792, 2304, 32767, -32768)),
        "i": lambda: rng.choice((0, 348, 540, -1, 2**31 - 1)),
    }[kind]()  # fmt: skip
    struct.pack_into(f"<{layout}", content, place, *values)
    _pack(path, content)
    return f"{name}[{which}] = {value}"


def header_bytes(rng: random.Random, path: Path) -> str:
    content = _unpack(path)
    places = [rng.randrange(352) for _ in range(rng.choice((1, 2, 5, 40)))]
    for place in places:
        content[place] = rng.randrange(256)
    _pack(path, content)
    return f"header's bytes at {places[:8]}"


def wrong_t_r(rng: random.Random, path: Path) -> str:
    content, value = _unpack(path), rng.choice((float("nan"), float("inf"), -2.0, 1e-6, 1e6))
    struct.pack_into("<f", content, 92, value)
    _pack(path, content)
    return f"repetition time {value}"


def larger(rng: random.Random, path: Path) -> str:
    content = _unpack(path)
    axis = rng.randrange(1, 5)
    struct.pack_into("<h", content, 40 + 2 * axis, 30_000)
    _pack(path, content)
    return f"30000 along axis {axis}"


def no_scaling(rng: random.Random, path: Path) -> str:
    content, value = _unpack(path), rng.choice((0.0, 1.0, float("nan")))
    struct.pack_into("<2f", content, 112, value, 0.0)
    _pack(path, content)
    return f"slope {value}"


def other_bytes(rng: random.Random, path: Path) -> str:
    image = nib.load(path)
    values = np.asarray(image.dataobj)
    big = nib.Nifti1Image(values.astype(values.dtype.newbyteorder(">")), image.affine, image.header.as_byteswapped(">"))
    nib.save(big, path)
    return "the other order of bytes"


def other_compression(rng: random.Random, path: Path) -> str:
    if not path.name.endswith(".gz"):
        raise Skip
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), rng.randrange(1, 10), mtime=rng.randrange(9999)))
    return "compressed again"


def broken_payload(rng: random.Random, path: Path) -> str:
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        path.write_bytes(content[: -rng.randrange(9, 400)])
    else:
        path.write_bytes(content[: rng.randrange(352, len(content) - 1)])
    return "breaks off"


def pointer(rng: random.Random, path: Path) -> str:
    path.write_text("/annex/objects/SHA256E-s123--0f.nii.gz\n")
    return "a pointer of git-annex"


def swapped_container(rng: random.Random, path: Path) -> str:
    content = path.read_bytes()
    path.write_bytes(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else gzip.compress(content))
    return "gzip under .nii, or NIfTI under .gz"


def odd_voxels(rng: random.Random, path: Path) -> str:
    image = nib.load(path)
    values = np.asarray(image.dataobj, dtype=np.float32).copy()
    flat, count = values.reshape(-1), rng.choice((1, 30, values.size // 2, values.size))
    value = rng.choice((float("nan"), float("inf"), 0.0, 1e38, -1e38, 7.5))
    flat[rng.sample(range(values.size), count)] = value
    nib.save(nib.Nifti1Image(values, image.affine, image.header), path)
    return f"{count} voxels {value}"


def complex_voxels(rng: random.Random, path: Path) -> str:
    image = nib.load(path)
    header = image.header.copy()
    header.set_data_dtype(np.complex64)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).astype(np.complex64), image.affine, header), path)
    return "complex voxels"


def no_whole_labels(rng: random.Random, path: Path) -> str:
    image = nib.load(path)
    value = rng.choice((2.0**40, 1e300, float("inf"), 0.5))
    labels = np.asarray(image.dataobj, dtype=np.float64).copy()
    labels[labels == 2] = value
    nib.save(nib.Nifti1Image(labels, image.affine), path)
    return f"label {value}"


def other_labels(rng: random.Random, path: Path) -> str:
    image = nib.load(path)
    labels = np.asarray(image.dataobj)
    shape = rng.choice(("4D", "2D", "negative", "none", "int64"))
    changed = {"4D": np.stack([labels] * 2, -1), "2D": labels[..., 0], "negative": labels - 2, "none": labels * 0,
               "int64": labels.astype(np.int32)}[shape]  # fmt: skip
    nib.save(nib.Nifti1Image(changed, image.affine), path)
    return f"labels {shape}"


def _all(names: dict[str, Kind], files: str, expected: str) -> tuple[Mutation, ...]:
    return tuple(Mutation(name, files, expected, change) for name, change in names.items())


HARMLESS = {"bom": as_bom, "crlf": as_crlf, "no-last-newline": no_last_newline}
ROUGH = {"bytes": flip_bytes, "cut": cut_off, "empty": empty, "folder": as_folder, "removed": remove, "link": dangling}
OF_TABLES = {"cell": cell, "latin": as_latin, "repeat": repeat_row, **ROUGH}
SCANS = ("sub-*_bold.nii*", "raw/derivatives/**/*_bold.nii*")  # a table or a sidecar says their repetition time, too
HCP_SCANS = "tree/*/MNINonLinear/Results/*/tfMRI_*_[LR][LR].nii.gz"

MUTATIONS: tuple[Mutation, ...] = (
    *_all({"value": config_value}, "config.toml", ANY) * 12,
    *_all(HARMLESS, "config.toml", SAME),
    *_all({"bytes": flip_bytes, "cut": cut_off, "latin": as_latin, "empty": empty}, "config.toml", ANY),
    *(one for files in ("runs.tsv", "**/*_events.tsv", "**/*_confounds.tsv", "**/*_timeseries.tsv", "atlas.tsv")
      for one in (*_all({**HARMLESS, "tab": trailing_tab}, files, SAME), *_all(OF_TABLES, files, ANY),
                  *_all({"cell": cell}, files, ANY) * 3, *_all({"more": more_fields}, files, REFUSED),
                  *_all({"column": more_columns, "columns": shuffle_columns}, files, SAME))),
    *(one for files in ("runs.tsv", "**/*_events.tsv", "atlas.tsv")
      for one in (*_all({"rows": shuffle_rows}, files, SAME), *_all({"fewer": fewer_fields}, files, REFUSED))),
    *(one for files in ("**/*_confounds.tsv", "**/*_timeseries.tsv")
      for one in _all({"fewer": fewer_fields}, files, REFUSED)),
    *(one for files in ("**/*_bold.json", "**/*_timeseries.json")
      for one in (*_all({"value": json_value}, files, ANY) * 4, *_all({"nested": json_nested, **ROUGH}, files, ANY))),
    *(one for files in SCANS for one in _all({"t_r": wrong_t_r}, files, SAME)),
    *_all({"t_r": wrong_t_r}, HCP_SCANS, REFUSED),
    *(one for files in (*SCANS, HCP_SCANS)
      for one in (*_all({"field": header_field, "header": header_bytes}, files, ANY) * 4,
                  *_all({"voxels": odd_voxels, **ROUGH}, files, ANY),
                  *_all({"larger": larger, "breaks": broken_payload, "pointer": pointer,
                         "complex": complex_voxels, "container": swapped_container}, files, REFUSED),
                  *_all({"slope": no_scaling, "endian": other_bytes, "gzip": other_compression}, files, SAME))),
    *_all({"field": header_field, "header": header_bytes, "voxels": odd_voxels, **ROUGH}, "**/*mask*.nii.gz", ANY),
    *_all({"endian": other_bytes, "gzip": other_compression}, "**/*_mask.nii.gz", SAME),
    *_all({"field": header_field, "header": header_bytes, "voxels": odd_voxels, "labels": other_labels, **ROUGH},
          "atlas.nii.gz", ANY) * 2,
    *_all({"whole": no_whole_labels, "breaks": broken_payload, "pointer": pointer, "complex": complex_voxels},
          "atlas.nii.gz", REFUSED),
    *_all({"endian": other_bytes, "gzip": other_compression}, "atlas.nii.gz", SAME),
    *_all({"cell": cell, "more": more_fields, "latin": as_latin, **ROUGH}, "tree/**/EVs/*.txt", ANY),
    *_all({"crlf": as_crlf, "no-last-newline": no_last_newline}, "tree/**/EVs/*.txt", SAME),
)  # fmt: skip
