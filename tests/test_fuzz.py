"""A short fuzz campaign; and that it sees what readers that misbehave do."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = "pictures,manifests,masks,styles,changes,weights,journals,words,grids"


def test_readers_answer_every_input_with_a_value_or_one_line(tmp_path):
    command = [sys.executable, ROOT / "scripts/fuzz.py", "--inputs=900", "--workers=2"]
    command += [f"--targets={TARGETS}", f"--failures={tmp_path / 'failures'}"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = re.findall(r"^\| (\w+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| 0 \|", ran.stdout, re.M)
    assert [row[0] for row in rows] == [*TARGETS.split(","), "all"]
    for _, inputs, accepted, refused in rows[:-1]:
        assert (int(inputs), int(accepted) > 0, int(refused) > 0) == (100, True, True)
    assert not (tmp_path / "failures").exists()


# Run in a process of its own: an audit hook stays for good.
_READERS = """
import json, os, subprocess, sys, time, warnings
from pathlib import Path
import numpy as np
sys.path[:0] = sys.argv[1:]
from fuzzing import folders, worker
from styleinv.errors import InputError

def refuses(folder): raise InputError("it is bad")
def accepts(folder): return (folder / "a").read_bytes()
def fails(folder): 1 / 0
def exits(folder): sys.exit(0)
def warns(folder): warnings.warn("look")
def writes(folder): (folder / "new").write_text("")
def climbs(folder): (folder / "../outside/secret.png").read_bytes()
def reads(folder): open("/etc/hostname").close()
def starts(folder): subprocess.run(["true"])
def executes(folder): os.system("true")
def hoards(folder): np.ones(80_000_000)
def dawdles(folder):
    begun = time.process_time()
    while time.process_time() < begun + 1: pass

folder, found = Path("space/input").resolve(), {}
watch = worker.Watch("journals", folder.parent)
worker._PATIENCE = 100
for use in [function for name, function in list(globals().items()) if name.endswith("s")]:
    if getattr(use, "__module__", "") == "__main__":
        folders.clear(folder)
        folders.lay(folder, {"a": b""})
        watch.target = watch.target._replace(use=use, seconds=0.5)
        told = watch(folder)
        found[use.__name__] = [told.accepted, told.problem]
print(json.dumps(found))
"""
_PROBLEMS = {
    "refuses": "^$",
    "accepts": "^$",
    "fails": "ZeroDivisionError",
    "exits": "SystemExit",
    "warns": "UserWarning: look",
    "writes": "changed .*input/new",
    "climbs": "reads .*outside/secret.png",
    "reads": "reads /etc/hostname",
    "starts": "subprocess.Popen",
    "executes": "os.system",
    "hoards": r"took 6\d\d MB",
    "dawdles": "took .* seconds",
}


def test_watch_sees_what_a_reader_must_not_do(tmp_path):
    command = [sys.executable, "-c", _READERS, ROOT, ROOT / "scripts"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found.keys() == _PROBLEMS.keys()
    assert [name for name, (accepted, _) in found.items() if accepted] == [
        *("accepts", "writes", "climbs", "reads", "starts", "executes", "hoards", "dawdles")
    ]
    for name, (_, problem) in found.items():
        assert re.search(_PROBLEMS[name], problem, re.DOTALL), f"{name}: {problem}"
