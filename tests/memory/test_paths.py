"""Which implementations run is reported by operator, with the reason why it is not a faster one."""

import shutil

import pytest
import torch
from cores import SPECS, Spec, build
from torch import nn

from engram.memory import MEMORIES
from engram.memory.dnc.memory import DNC
from engram.memory.native import build as native
from engram.memory.ntm.memory import NTM
from engram.memory.paths import why_naive

pytestmark = pytest.mark.usefixtures("own_memories")


@pytest.fixture(autouse=True)
def _afresh(monkeypatch, tmp_path):
    """Compile into an empty folder, and forget it afterwards."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ENGRAM_NATIVE", raising=False)
    monkeypatch.delenv("CC", raising=False)
    native.build.cache_clear()
    yield
    native.build.cache_clear()


def paths(controller, memory, **sizes):
    return build(Spec(controller, memory, sizes)).paths()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_core_reports_its_paths(spec):
    found = build(spec).paths()
    assert {"controller", "memory"} <= found.keys() <= {"controller", "memory", "feedback loop"}
    for path in found.values():
        word, _, reason = path.partition(": ")
        assert word in ("naive", "fused", "native")
        assert bool(reason) == (": " in path)
        assert "\n" not in path


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
def test_on_a_cpu_with_a_compiler_the_steps_are_in_c():
    for read in ("dense", "sparse"):
        assert paths("gru", "episodic", slots=5, read=read)["memory"] == "native"
    for memory in ("dnc", "ntm"):
        assert set(paths("lstm", memory, slots=5).values()) == {"native"}
    assert paths("lstm", "dnc", slots=5, links=False)["feedback loop"] == "fused"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_without_a_feedback_there_is_no_loop(controller):
    assert paths(controller, "none") == {"controller": "native", "memory": "naive"}


@pytest.mark.parametrize(
    ("variable", "reason"),
    [
        (("ENGRAM_NATIVE", "0"), "switched off by ENGRAM_NATIVE=0"),
        (("ENGRAM_NATIVE", "off"), "switched off by ENGRAM_NATIVE=off"),
        (("CC", "no-such-compiler"), "no C compiler found (no-such-compiler)"),
        (("PATH", ""), "no C compiler found (cc, gcc, clang)"),
    ],
)
def test_why_there_is_no_c_code_is_reported(monkeypatch, variable, reason):
    monkeypatch.setenv(*variable)
    found = paths("lstm", "dnc", slots=5)
    assert found == {"feedback loop": "fused", "controller": f"fused: {reason}", "memory": f"fused: {reason}"}
    for controller in ("lstm", "gru"):
        assert paths(controller, "none")["controller"] == f"fused: {reason}"
    for read in ("dense", "sparse"):
        assert paths("gru", "episodic", slots=5, read=read)["memory"] == f"fused: {reason}"


@pytest.mark.filterwarnings("ignore:.*could not be compiled")
def test_a_failed_compilation_is_reported(monkeypatch, tmp_path):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho 'cannot\nexecute' >&2\nexit 3\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    assert paths("gru", "dnc", slots=5)["memory"] == "fused: dnc/native.c could not be compiled: cannot execute"


def test_why_there_is_no_fused_path_is_reported():
    loop, memory = "feedback loop", "memory"
    gru = paths("gru", "ntm", slots=5)
    assert gru[loop] == "naive: there is a fused loop for an LSTM only, not for a GRU"
    assert gru[memory] == paths("lstm", "ntm", slots=5)[memory]
    masked = paths("lstm", "dnc", slots=5, masked_content=True, deallocate=True)
    assert masked[loop] == "naive: DNC has no fused step"
    assert masked[memory] == "naive: no fused step with masked_content, deallocate"
    assert paths("lstm", "ntm", slots=5, write_heads=2)[memory] == "naive: no fused step with write_heads=2"
    assert paths("lstm", "counting")[loop] == "naive: Counting has no fused step"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
def test_what_the_c_code_cannot_take_is_reported():
    assert paths("lstm", "dnc", slots=5, links=False)["memory"] == "fused: links=False has no C code"
    assert paths("lstm", "dnc", slots=900, word_size=100)["memory"] == "fused: the memory is too large for the C code"
    core = build(Spec("lstm", "dnc", {"slots": 5})).to(torch.bfloat16)
    assert core.paths()["controller"] == "fused: no C code for torch.bfloat16"
    assert core.to("meta").paths() == {"feedback loop": "fused", "controller": "fused", "memory": "fused"}


@pytest.mark.parametrize("parent", [NTM, DNC])
@pytest.mark.parametrize("method", ["step", "take_step", "forward", "feedback", "interface_vector"])
def test_a_memory_that_overrides_what_a_fused_path_leaves_out_takes_none(parent, method, monkeypatch):
    own = type("Own", (parent,), {method: lambda self, *args: getattr(parent, method)(self, *args)})
    monkeypatch.setitem(MEMORIES, "own", own)
    assert paths("lstm", "own", slots=5)["memory"] == f"naive: Own overrides {method}"


def test_what_a_fused_path_calls_may_be_overridden(monkeypatch):
    class Own(NTM):
        def initial_state(self, batch_size):
            return super().initial_state(batch_size)._replace(read=self.start_read.expand(batch_size, -1))

        def something_else(self):
            pass

    monkeypatch.setitem(MEMORIES, "own", Own)
    assert paths("lstm", "own", slots=5)["feedback loop"] in ("fused", "native")


def test_overrides_are_found_over_several_generations():
    class Parent(nn.Module):
        def step(self):
            pass

        def start(self):
            pass

    class Child(Parent):
        def step(self):
            pass

    class Grandchild(Child):
        def start(self):
            pass

        def forward(self):
            pass

    assert why_naive(Parent, Parent, frozenset()) == ""
    assert why_naive(Grandchild, Parent, frozenset()) == "Grandchild overrides forward, start, step"
    assert why_naive(Grandchild, Parent, frozenset({"step", "forward", "start"})) == ""
    assert why_naive(Grandchild, Child, frozenset({"start"})) == "Grandchild overrides forward"
