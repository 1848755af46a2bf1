"""scripts/convert_weights.py, as it is called."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import weights_files as files

from styleinv import weights

ROOT = Path(__file__).parents[1]


def convert(*arguments):
    command = [sys.executable, str(ROOT / "scripts" / "convert_weights.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_convert_weights_writes_a_file_that_loads_and_prints_the_self_test(tmp_path):
    generator = np.random.default_rng(0)
    tensors = {
        "features.0.weight": generator.standard_normal((64, 3, 3, 3), np.float32),
        "features.0.bias": np.zeros(64, np.float32),
    }
    path = files.save_zip(tmp_path / "vgg.pth", tensors)
    output = tmp_path / "converted.safetensors"
    done = convert(str(path), "--output", str(output))
    assert done.returncode == 0, done.stderr
    assert f"{output}: vgg19, 1 convolutions from vgg.pth\ncredit: vgg.pth, of unkn" in done.stdout
    assert "self-test: " in done.stdout
    assert weights.load(str(output)).digest in done.stdout


def test_convert_weights_prints_one_line_and_status_2_for_a_mistake():
    done = convert("defualt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "weights (=defualt) is not a source or a file; did you mean default? options are default, "
    )
    assert done.stderr.count("\n") == 1
