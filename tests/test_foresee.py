"""What scripts/foresee.py reads off a program; compilers for accelerators are not at hand."""

import pytest

from scripts import foresee

PROGRAM = """HloModule steps

%inner.1 (pair: (f32[8,4], bf16[4])) -> (f32[8,4], bf16[4]) {
  %pair = (f32[8,4]{1,0}, bf16[4]{0}) parameter(0)
  %image = f32[8,4]{1,0} get-tuple-element(%pair), index=0
  %half = bf16[4]{0} get-tuple-element(%pair), index=1
  %sum = f32[8,4]{1,0} fusion(%image, %half), kind=kLoop, calls=%add
  %conv = (f32[8,4]{1,0}, u8[0]{0}) custom-call(%sum, %image), custom_call_target="conv"
  %found = f32[8,4]{1,0} get-tuple-element(%conv), index=0
  ROOT %tuple = (f32[8,4]{1,0}, bf16[4]{0}) tuple(%found, %half)
}

%outer.2 (pair: (f32[8,4], bf16[4])) -> (f32[8,4], bf16[4]) {
  %again = (f32[8,4]{1,0}, bf16[4]{0}) parameter(0)
  %inside = (f32[8,4]{1,0}, bf16[4]{0}) while(%again), condition=%less, body=%inner.1
  %kept = bf16[4]{0} get-tuple-element(%inside), index=1
  %copy = bf16[4]{0} copy(%kept)
  ROOT %both = (f32[8,4]{1,0}, bf16[4]{0}) tuple(%kept, %copy)
}

ENTRY %main (pair: (f32[8,4], bf16[4])) -> (f32[8,4], bf16[4]) {
  %given = (f32[8,4]{1,0}, bf16[4]{0}) parameter(0)
  ROOT %done = (f32[8,4]{1,0}, bf16[4]{0}) while(%given), condition=%less, body=%outer.2
}
"""


def test_loops_are_counted_with_what_their_kernels_read_and_write():
    inner, outer = foresee.loops(PROGRAM)
    image, half = 8 * 4 * 4, 4 * 2
    assert inner == foresee.Loop(kernels=2, bytes=(image + half + image) + (image + image + image))
    assert outer == foresee.Loop(kernels=1, bytes=half + half)


def test_a_compiler_that_is_not_there_is_one_line(monkeypatch, capsys):
    def missing(*_, **__):
        raise NotImplementedError("topology not implemented for cuda")

    monkeypatch.setattr(foresee.topologies, "get_topology_desc", missing)
    monkeypatch.setattr("sys.argv", ["foresee.py", "h100"])
    with pytest.raises(SystemExit, match="2"):
        foresee.main()
    error = capsys.readouterr().err
    assert error.startswith("error: there is no compiler for h100 here (")
    assert error.count("\n") == 1
