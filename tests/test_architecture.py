"""Which file may know which: the arrows between the modules, read off their imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "styleinv").rglob("*.py"))
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.py"))
OURS = ("styleinv", "experiments", "configs", "scripts", "tests")

# Module: all that it may import of ours, besides styleinv.errors.
ARROWS = {
    "errors": set(),
    "config": set(),
    "interrupt": set(),
    "progress": set(),
    "tensorboard": set(),
    "weights.convolutions": set(),
    "weights.sources": set(),
    "weights.torch_files": set(),
    "weights.readers": {"weights.torch_files"},
    "weights.layouts": {"weights.convolutions"},
    "weights.selftest": {"weights.convolutions"},
    "weights.fetch": {"weights.convolutions", "weights.sources"},
    "weights.cache": {"weights.convolutions", "weights.layouts", "weights.readers"},
    "weights.loading": {
        "weights.cache",
        "weights.convolutions",
        "weights.fetch",
        "weights.layouts",
        "weights.readers",
        "weights.selftest",
        "weights.sources",
    },
    "lanczos": set(),
    "profiles": set(),
    "images": {"lanczos", "profiles"},
    "parameters": set(),
    "compiler_options": set(),
    "gram": {"native.build", "native.emitter", "native.gram"},
    "minimize": {"compiler_options"},
    "lbfgs": set(),
    "together": {"compiler_options", "minimize"},
    "rows": {"compiler_options", "minimize"},
    "native.emitter": set(),
    "native.handler": {"native.emitter"},
    "native.product": {"native.emitter"},
    "native.gram": {"native.emitter", "native.handler", "native.product"},
    "native.winograd": {"native.emitter", "native.handler", "native.product"},
    "native.build": {"native.emitter", "native.gram", "native.winograd"},
    "winograd": {"native.build", "native.emitter", "native.winograd"},
    "precision": set(),
    "convolution": {"compiler_options", "native.emitter", "precision", "winograd"},
    "vgg": {"convolution", "precision", "weights.convolutions"},
    "strips": {"compiler_options", "gram", "precision", "vgg"},
    "style": {"compiler_options", "strips", "vgg"},
    "masks": {"images"},
    "manifest": {"images", "masks"},
    "dataset": {"images", "manifest", "masks"},
    "photo": {"images", "profiles"},
    "journal": {"images"},
    "memory": {"strips", "vgg"},
    "noise": {"style"},
    "style_file": {"style", "tensor_file", "vgg"},
    "change_file": {"change", "style_file", "tensor_file", "vgg"},
    "colors": set(),
    "regions": {"images", "vgg"},
    "gains": {"style"},
    "change": {"gains", "style"},
    "statistics": {"style"},
    "layer_weights": {"statistics", "vgg"},
    "objective": {"layer_weights", "statistics", "strips", "style", "vgg"},
    "content": set(),
    "evaluate": {"compiler_options", "statistics", "strips", "style", "vgg"},
    "compare": {"statistics", "style"},
    "kernels": {"dataset", "manifest", "progress", "style", "vgg"},
    "naming": {"kernels"},
    "outliers": set(),
    "patches": set(),
    "intervals": set(),
    "pages.curves": set(),
    "pages.chart": set(),
    "pages.known_style_plot": {"pages.curves"},
    "pages.page": {"pages.curves", "files", "images", "journal"},
    "pages.report": {"pages.page", "images", "journal"},
    "pages.transfer_report": {"pages.page", "journal"},
    "pages.verify_report": {"pages.known_style_plot", "pages.page", "files", "journal"},
    "pages.sweep_table": {"journal"},
    "pages.sweep_report": {"pages.chart", "pages.page", "pages.sweep_table", "journal"},
    "files": set(),
    "tensor_file": {"files", "images"},
    "lock": {"files"},
    "checkpoints": {"files"},
    "record": {"checkpoints", "files", "images", "journal", "synthesize", "tensorboard"},
    "compilation": {"weights.cache"},
    "environment": set(),
    "measuring.loader": set(),
    "measuring.tables": {"images", "manifest"},
    "measuring.sample": {"dataset", "images", "manifest", "masks", "regions", "vgg"},
    "measuring.batch_moments": {"compiler_options", "convolution", "gram", "strips", "vgg"},
    "measuring.batches": {"measuring.batch_moments", "measuring.sample", "vgg"},
    "measuring.sums": {"measuring.batch_moments", "style", "vgg"},
    "measuring.part": {"files", "masks", "measuring.sums"},
    "measuring.parts": {"measuring.part", "measuring.sums"},
    "measuring.hosts": {"files"},
    "mixing": {"style"},
    "measuring.pipeline": {
        "measuring.batch_moments",
        "measuring.batches",
        "measuring.loader",
        "manifest",
        "measuring.part",
        "measuring.sample",
        "vgg",
    },
    "survey": {
        "change",
        "dataset",
        "manifest",
        "masks",
        "measuring.part",
        "measuring.pipeline",
        "measuring.sample",
        "measuring.sums",
        "progress",
        "regions",
        "style",
        "vgg",
    },
    "blocks": {"objective", "precision", "strips", "vgg"},
    "synthesize": {
        "blocks",
        "images",
        "minimize",
        "objective",
        "parameters",
        "precision",
        "vgg",
    },
}

# What all experiments share; besides, some have a folder of parts of their own.
SHARED = (
    "cli",
    "compiler",
    "exits",
    "validate",
    "inputs",
    "processes",
    "targets",
    "debias",
    "problem",
    "layout",
    "optimize",
    "apart",
    "contents",
    "sittings",
    "session",
)
PARTS = {"sweep": "sweeps", "verify": "questions"}


def name(path):
    return str(path.relative_to(ROOT))


def module_of(dotted):
    """styleinv.vgg.VGG -> styleinv.vgg: the longest part that is a file or a package."""
    parts = dotted.split(".")
    while parts:
        path = ROOT.joinpath(*parts)
        if path.with_suffix(".py").is_file() or path.is_dir():
            return ".".join(parts)
        parts.pop()
    return dotted


def imports(path):
    """The modules of ours that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module_of(one) for one in found if one.split(".")[0] in OURS}


def test_imports_finds_what_it_should():
    actual = imports(ROOT / "styleinv" / "vgg.py")
    below = {"convolution", "precision", "weights.convolutions"}
    assert actual == {f"styleinv.{module}" for module in below}


def test_all_modules_have_their_arrows():
    modules = {path.relative_to(ROOT / "styleinv").with_suffix("") for path in LIBRARY}
    assert {".".join(m.parts) for m in modules if m.name != "__init__"} == set(ARROWS)


@pytest.mark.parametrize("module", ARROWS)
def test_module_imports_only_what_lies_below_it(module):
    allowed = {f"styleinv.{other}" for other in (*ARROWS[module], "errors")}
    assert imports(ROOT.joinpath("styleinv", *module.split(".")).with_suffix(".py")) <= allowed


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_library_sees_no_experiment_and_no_config(path):
    found = imports(path)
    assert not {one for one in found if not one.startswith("styleinv")}
    assert "styleinv.config" not in found


@pytest.mark.parametrize("path", LIBRARY, ids=name)
def test_library_reads_no_flags_and_no_environment(path):
    # Where the cache is; and what pip, which fetches the weights, gets of its user's settings.
    allowed = {"cache.py", "fetch.py"} if path.parent.name == "weights" else set()
    words = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    if path.name not in allowed:
        assert not words & {"environ", "getenv", "argv", "argparse", "absl", "flags"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_experiments_share_only_what_is_made_for_it(path):
    found = {one for one in imports(path) if one.startswith("experiments.")}
    inner = path.relative_to(ROOT / "experiments").parts[:-1]
    folder = inner[0] if inner else PARTS.get(path.stem)
    own = {one for one in found if one.split(".")[1] == folder}
    assert found - own <= {f"experiments.{other}" for other in SHARED}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.py")), ids=name)
def test_configs_see_only_the_schema(path):
    assert imports(path) <= {"styleinv.config"}


@pytest.mark.parametrize("path", [*LIBRARY, *EXPERIMENTS], ids=name)
def test_file_is_named_after_its_idea_and_holds_one(path):
    assert path.stem not in {"utils", "common", "base", "helpers", "manager", "trainer"}
    assert len(path.read_text().splitlines()) <= 300
