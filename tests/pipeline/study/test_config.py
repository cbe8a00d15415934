"""The configuration: strict, documented, and written back."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from fmri_saliency.disk.places import data_folder
from fmri_saliency.errors import ConfigError
from fmri_saliency.pipeline import Config, load_config, write_config
from fmri_saliency.pipeline.study.config import to_plain
from fmri_saliency.scans import LAYOUTS

MINIMAL = '[scans]\nlayout = "hcp"\npath = "scans"\n[output]\npath = "out"\n'


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path)


def test_defaults_and_paths_beside_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert config.scans.path == tmp_path / "scans"
    assert config.decoder.networks == ("input-cell-lstm", "lstm")
    assert config.samples.unit == "run"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MINIMAL + "[decoder]\nfoldz = 3\n", "Unknown key 'foldz' in [decoder]; known are network, compare"),
        (MINIMAL + "[decoder]\nfoldz = 3\n", "Did you mean 'folds'?"),
        (MINIMAL + "[decoders]\n", "Unknown key 'decoders' in the configuration"),
        (MINIMAL + "[decoder.training]\nepochs = 3\n", "in [decoder.training]"),
        ('[scans]\nlayout = "hcp"\npath = "x"\n', "the configuration needs a section [output]"),
        (MINIMAL.replace('layout = "hcp"\n', ""), "[scans] needs the key 'layout'"),
        (MINIMAL.replace('"hcp"', '"hpc"'), "layout in [scans] must be one of hcp, table, fmriprep; 'hpc' came. Did "),
        (MINIMAL.replace('"scans"', "3"), "path in [scans] must be a path in quotes; 3 came"),
        (MINIMAL + "[decoder]\nfolds = 2.5\n", "folds in [decoder] must be a whole number; 2.5 came"),
        (MINIMAL + "[decoder]\nfolds = 1\n", "folds in [decoder] must be at least 2"),
        (MINIMAL + "[decoder]\nseed = -1\n", "seed in [decoder] must be at least 0"),
        (MINIMAL + '[decoder]\ndevice = "gpu"\n', "device in [decoder] must be one that PyTorch can use here"),
        (MINIMAL + '[samples]\nlength = inf\n', "length in [samples] must be a finite number"),
        (MINIMAL + "[decoder]\nfolds = true\n", "must be a whole number; True came"),
        (MINIMAL + '[decoder]\ncompare = "lstm"\n', 'compare in [decoder] must be a list of texts, such as ["a", "b"]'),
        (MINIMAL + '[decoder]\nnetwork = "lstn"\n', "A network in [decoder] must be one of"),
        (MINIMAL + '[decoder]\ntraining = "hard"\n', "must be a section [decoder.training]"),
        (MINIMAL + '[samples]\nclasses = ["a"]\n', "must be a section [samples.classes]"),
        (MINIMAL + '[samples.classes]\na = "x"\n', "a in [samples.classes] must be a list of texts"),
        (MINIMAL + "[cleaning]\ndetrend = 1\n", "detrend in [cleaning] must be true or false"),
        (MINIMAL + "[saliency]\nsmoothing = -1\n", "smoothing in [saliency] must be at least 0 seconds; -1.0 came"),
        (MINIMAL.replace("[output]", "t_r = 0\n[output]"), "t_r in [scans] must be above 0 seconds"),
        (MINIMAL + "[atlas]\nn_regions = -1\n", "n_regions in [atlas] must be at least 0"),
        (MINIMAL + '[atlas]\nlabels = "a"\nmaps = "b"\n', "[atlas] has both labels (a 3D label image) and maps"),
        (MINIMAL + '[atlas]\nlabels = "a"\nnetworks = 7\n', "has both an image of one's own ("),
        (MINIMAL + '[atlas]\ntable = "a"\n', "but no image belongs to it: set labels (3D) or maps (4D)"),
        (MINIMAL + 'left_surface = "l.surf.gii"\n', "give both left_surface and right_surface"),
        (MINIMAL + "n_jobs = 0\n", "n_jobs in [output] must not be 0"),
        (MINIMAL.replace("[output]", 'variant = "clean"\n[output]'), "variant in [scans] must be one of minimal"),
        (MINIMAL.replace("[output]", 'events = "state"\n[output]'), "'state' came. Did you mean 'states'?"),
        (MINIMAL.replace('"hcp"', '"table"').replace("[output]", 'events = "states"\n[output]'),
         "events in [scans] is for the hcp layout; this one is table"),
        (MINIMAL.replace("[output]", 'exclude = ["100307"]\n[output]'), "'100307' came"),
        (MINIMAL.replace("[output]", 'subjects = ["1"]\nsubject_list = "s.txt"\n[output]'), "give one of them"),
        (MINIMAL + '[samples]\nevent_column = "onset"\n', "must name the column of the events that says what happened; "
         "'onset' came"),
        ("[scans\n", "is not valid TOML"),
    ],
)
def test_one_message_for_each_mistake(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert words in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "config.toml"))


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load_config(tmp_path / "c.toml") == load(tmp_path, MINIMAL)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml; there is none"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_the_resolved_configuration_can_be_run_again(tmp_path: Path) -> None:
    text = MINIMAL + '[samples]\nunit = "event"\nlength = 3\n[samples.classes]\na = ["x", "y"]\n'
    text += '[atlas]\nlabels = "l.nii"\n'
    config = load(tmp_path, text)
    (tmp_path / "deep").mkdir()
    write_config(config, tmp_path / "deep" / "again.toml")
    assert load_config(tmp_path / "deep" / "again.toml") == config
    assert tomllib.loads((tmp_path / "deep" / "again.toml").read_text()) == to_plain(config, tmp_path / "deep")


@pytest.mark.parametrize("name", ["demo", "fmriprep", "hcp", "states", "table"])
def test_the_annotated_files_are_valid(name: str) -> None:
    assert load_config(data_folder("workflows") / f"{name}.toml").scans.layout in LAYOUTS


def documented(kind: type, prefix: str = "") -> set[str]:
    """Return every key that a configuration may have, as section.key."""
    names: set[str] = set()
    for item in fields(kind):
        hint = get_type_hints(kind)[item.name]
        hint = next((one for one in get_args(hint) if is_dataclass(one)), hint)
        names |= documented(hint, f"{prefix}{item.name}.") if is_dataclass(hint) else {f"{prefix}{item.name}"}
    return names


OF_FMRIPREP = ("scans.bids.", "cleaning.denoise.")  # documented in fmriprep.toml only
# and in hcp.toml only:
IN_HCP = ("recipe", "decoder.", "saliency.", "scans.truth", "scans.variant", "scans.events", "search.",
          "output.left_surface", "output.right_surface")


@pytest.mark.parametrize(("name", "elsewhere"), [("hcp", OF_FMRIPREP), ("fmriprep", IN_HCP)])
def test_every_key_is_documented_with_its_default(tmp_path: Path, name: str, elsewhere: tuple[str, ...]) -> None:
    text = (data_folder("workflows") / f"{name}.toml").read_text()
    shown, section = {}, ""
    for line in text.splitlines():
        if match := re.match(r"(?:# )?\[([a-z.]+)\]", line):
            section = match[1]
        elif match := re.match(r"(# )?([a-z_]+) = (.+?)(?:  +#.*)?$", line):
            shown[f"{section}.{match[2]}".lstrip(".")] = (match[1] is not None, match[3])
    missing = documented(Config) - set(shown) - {"samples.classes", "search.decoder"}
    assert not {key for key in missing if not key.startswith(elsewhere)}
    assert "[samples.classes]" in text
    examples = {"atlas.labels", "atlas.maps", "atlas.table", "atlas.data_dir", "scans.truth", "scans.t_r",
                "scans.families", "scans.bids.raw", "scans.subject_list", "decoder.architecture.window",
                "saliency.window", "search.seeds", "search.inner_folds", "output.left_surface",
                "output.right_surface"}  # fmt: skip
    plain = to_plain(load(tmp_path, MINIMAL))
    for key, (commented, value) in shown.items():
        if commented and key not in examples:
            wanted = plain
            for part in key.split("."):
                wanted = wanted[part]
            assert tomllib.loads(f"x = {value}")["x"] == wanted, key


@pytest.mark.parametrize(("text", "words"), [
    ("[search]\nseeds = [1]\n", "needs .search.decoder. with the values"),
    ("[search.decoder]\nseed = [1, 2]\n", "give seeds in .search."),
    ("[search.decoder]\nfolds = [3]\n", "the same for all settings"),
    ('[search]\ninner_folds = 1\n[search.decoder]\nnetwork = ["lstm"]\n', "must be at least 2; 1 came"),
    ('[search]\nseeds = [1, 1]\n[search.decoder]\nnetwork = ["lstm"]\n', "must differ"),
])  # fmt: skip
def test_what_cannot_be_searched(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, MINIMAL + text)


def test_a_recipe_fills_in_what_the_file_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('recipe = "pooled"\n' + MINIMAL + '[decoder]\nfolds = 3\n[decoder.architecture]\nwindow = 7\n')
    config = load_config(path)
    assert (config.decoder.network, config.saliency.method) == ("bi-input-cell-lstm", "pooled-attention")
    assert (config.decoder.architecture.readout, config.decoder.training.way) == ("mean", "replacement")
    assert (config.decoder.architecture.window, config.decoder.folds) == (7, 3)  # what stands in the file wins
    write_config(config, tmp_path / "resolved.toml")
    assert load_config(tmp_path / "resolved.toml") == config
    path.write_text('recipe = "paper"\n' + MINIMAL)
    assert load_config(path).saliency.method == "gradient"
    assert load_config(path).decoder.architecture.readout == "last"
    for wrong, words in (('"papr"', "recipe in the configuration must be one of standard, pooled"), ("3", "quotes")):
        path.write_text(f"recipe = {wrong}\n" + MINIMAL)
        with pytest.raises(ConfigError, match=words):
            load_config(path)
