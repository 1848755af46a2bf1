"""What XLA is told."""

import os
import subprocess
import sys

import pytest

from experiments import compiler

LLVM = "--xla_backend_extra_options=xla_cpu_disable_loop_unrolling,-disable-lsr"
OLDER = "--xla_cpu_use_fusion_emitters=false"
DEVICES = "--xla_force_host_platform_device_count=2"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", f"{LLVM} {OLDER}"),
        (DEVICES, f"{DEVICES} {LLVM} {OLDER}"),
        (f"{LLVM} {OLDER}", f"{LLVM} {OLDER}"),
        ("--xla_backend_extra_options=-o", f"--xla_backend_extra_options=-o {OLDER}"),
        ("--xla_cpu_use_fusion_emitters=true", f"--xla_cpu_use_fusion_emitters=true {LLVM}"),
        ("flags.txt", "flags.txt"),
    ],
)
def test_compile_quickly_keeps_what_the_user_says(monkeypatch, given, told):
    monkeypatch.setattr(compiler, "entry_points", lambda group: ())
    monkeypatch.setenv("XLA_FLAGS", given)
    compiler.compile_quickly()
    assert os.environ["XLA_FLAGS"] == told


def test_compile_quickly_says_nothing_where_an_accelerator_may_be(monkeypatch):
    monkeypatch.setattr(compiler, "entry_points", lambda group: ("xla_cuda12",))
    monkeypatch.setenv("XLA_FLAGS", DEVICES)
    compiler.compile_quickly()
    assert os.environ["XLA_FLAGS"] == DEVICES


@pytest.mark.parametrize(
    ("known", "word", "status"),
    [("lsr", "lsr", 0), ("lsr", "nothing", 1), ("emitters", "emitterz", 1)],
)
def test_xla_is_told_after_jax_was_imported(known, word, status):
    """It ends a process that names what it does not know: so the known words are read too."""
    program = (
        "import jax.numpy as jnp\n"
        "from experiments import compiler\n"
        f"compiler._TOLD = [told.replace('{known}', '{word}') for told in compiler._TOLD]\n"
        "compiler.entry_points = lambda group: ()\n"
        "compiler.compile_quickly()\n"
        "print(jnp.arange(3) * 2)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert ended.returncode == status
    assert (b"[0 2 4]" in ended.stdout) == (status == 0)
