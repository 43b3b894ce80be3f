"""Supervised learning of sequences, from the error's definition to what the command leaves behind."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Generator

from benchmarks.algorithmic.__main__ import main
from benchmarks.algorithmic.options import parse
from benchmarks.algorithmic.picture import find_weights, record
from benchmarks.algorithmic.tasks import Sequences, copy
from benchmarks.algorithmic.training import (
    Diverged,
    SequenceModel,
    bit_loss,
    evaluate,
    make_optimizer,
    train,
    wrong_bits,
)
from engram.memory import MEMORIES

ROOT = Path(__file__).parents[2]
FILES = {"config.json", "evaluation.json", "memory.png", "model.pt", "progress.csv"}
TINY = ("--lengths", "1-3", "--test-lengths", "3,5", "--task-set", "bits=3", "--controller-set", "hidden_size=7")
SHORT = ("--batches", "6", "--evaluate-every", "4", "--batch-size", "5", "--validation-sequences", "11")
BITS = 3
draw = partial(copy, lengths=(1, 4), bits=BITS)


def command(out, *arguments):
    return main(["copy", *TINY, *SHORT, "--test-sequences", "7", "--out", str(out), *arguments])


def model(memory="none", controller="lstm", **sizes):
    return SequenceModel(BITS + 1, BITS, controller, memory, {"hidden_size": 7}, sizes)


def random_answers():
    sequences = Sequences(
        torch.zeros(7, 5, 2), torch.randint(0, 2, (7, 5, 3)).float(), torch.rand(7, 5) < 0.6
    )  # rows are scored at different steps
    return torch.randn(7, 5, 3), sequences


def test_wrong_bits_are_those_scored_bits_whose_probability_is_on_the_wrong_side():
    logits, sequences = random_answers()
    for row in range(5):
        wrong = 0
        for step in range(7):
            for bit in range(3):
                guess = torch.sigmoid(logits[step, row, bit]) > 0.5
                wrong += bool(sequences.mask[step, row]) and bool(guess) != bool(sequences.targets[step, row, bit])
        assert wrong_bits(logits, sequences)[row] == wrong


def test_the_loss_is_the_cross_entropy_of_scored_bits_only():
    logits, sequences = random_answers()
    chance = torch.sigmoid(logits.double())
    right = torch.where(sequences.targets.bool(), chance, 1 - chance)
    expected = -(right.log() * sequences.mask.unsqueeze(2)).sum() / (3 * sequences.mask.sum())
    assert bit_loss(logits, sequences).item() == pytest.approx(expected.item(), rel=1e-5)
    elsewhere = logits + 9 * ~sequences.mask.unsqueeze(2)
    assert torch.equal(bit_loss(elsewhere, sequences), bit_loss(logits, sequences))


def test_an_evaluation_needs_no_gradient_and_averages_over_whole_batches():
    generators = [Generator().manual_seed(2) for _ in range(2)]
    net = model("episodic", slots=4)
    measured = evaluate(net, draw, generators[0], sequences=7, batch=5)
    batches = [draw(generators[1], 5) for _ in range(2)]
    with torch.no_grad():
        wrong = torch.cat([wrong_bits(net(batch.inputs), batch) for batch in batches])
    assert measured.sequences == 10
    assert measured.wrong_bits == pytest.approx(wrong.float().mean().item())
    assert measured.scored_bits == pytest.approx(sum(len(b.mask) // 2 * BITS for b in batches) / 2)


@pytest.mark.parametrize("memory", MEMORIES)
def test_step_by_step_is_the_whole_sequence(memory):
    net = model(memory)
    inputs = draw(Generator().manual_seed(1), 5).inputs
    outputs, weights = record(net, inputs)
    assert torch.allclose(outputs, torch.sigmoid(net(inputs)), atol=1e-5)
    for weight in weights.values():
        assert weight.shape[:2] == inputs.shape[:2]
        assert (weight.sum(3) <= 1 + 1e-5).all()


def test_weights_are_found_by_name_anywhere_in_a_state():
    from typing import NamedTuple

    class Inner(NamedTuple):
        read_weights: torch.Tensor
        write_weights: torch.Tensor
        usage: torch.Tensor

    inner = Inner(torch.rand(3, 2, 5), torch.rand(3, 5), torch.rand(3, 5))
    found = find_weights((torch.rand(3, 5), (inner, torch.rand(3, 7))))
    assert set(found) == {"read_weights", "write_weights"}
    assert torch.equal(found["read_weights"], inner.read_weights)
    assert torch.equal(found["write_weights"], inner.write_weights.unsqueeze(1))


@pytest.mark.parametrize("name", ["adam", "amsgrad", "rmsprop"])
def test_a_linear_schedule_falls_to_zero(name):
    net = model()
    optimizer = make_optimizer(name, net, 0.5)
    rates = [
        optimizer.param_groups[0]["lr"]
        for _ in train(net, draw, Generator(), optimizer, 4, 5, clip=1.0, linear_decay=True)
    ]
    assert rates == pytest.approx([0.5, 0.375, 0.25, 0.125])


def test_a_loss_that_is_not_finite_ends_the_training_and_leaves_the_weights():
    net = model()
    with torch.no_grad():
        net.output.bias[0] = torch.nan
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(Diverged, match="batch 1"):
        list(train(net, draw, Generator(), make_optimizer("adam", net, 0.5), 4, 5, clip=1.0))
    for name, value in net.state_dict().items():
        assert torch.equal(value.nan_to_num(7), before[name].nan_to_num(7))


@pytest.mark.parametrize("memory", ["none", "episodic"])
def test_a_run_leaves_its_files_and_a_seed_repeats_it(tmp_path, memory, capsys):
    for _ in range(2):
        assert command(tmp_path, "--memory", memory, "--seeds", "3,4") == 0
    out = capsys.readouterr().out
    assert "median" in out
    assert "worst" in out
    folders = sorted(tmp_path.glob("*/*"))
    assert len(folders) == 4  # nothing was overwritten
    runs = {3: [], 4: []}
    for folder in folders:
        assert {file.name for file in folder.iterdir()} == FILES
        config = json.loads((folder / "config.json").read_text())
        result = json.loads((folder / "evaluation.json").read_text())
        assert (config["memory"], config["batches"], config["task_set"]) == (memory, 6, {"bits": 3})
        assert {"torch", "python", "git_commit", "command"} <= set(config["versions"])
        assert (result["batches"], result["ended"]) == (6, "batches")
        assert [(test["length"], test["scored_bits"]) for test in result["tests"]] == [(3, 9), (5, 15)]
        rows = list(csv.DictReader((folder / "progress.csv").open()))
        assert [int(row["batch"]) for row in rows] == [4, 6]
        assert float(rows[-1]["wrong_bits"]) == result["validation"]
        weights = torch.load(folder / "model.pt", weights_only=True)
        runs[config["seed"]].append((weights, [(r["loss"], r["wrong_bits"]) for r in rows], result["tests"]))
    for one, other in runs.values():
        assert one[1:] == other[1:]
        assert all(torch.equal(one[0][name], other[0][name]) for name in one[0])
    assert runs[3][0][1] != runs[4][0][1]


def test_the_saved_weights_are_those_that_were_evaluated(tmp_path):
    assert command(tmp_path) == 0
    (folder,) = tmp_path.glob("*/*")
    net = model("episodic")
    net.load_state_dict(torch.load(folder / "model.pt", weights_only=True))


def test_other_settings_of_the_task_are_tested_too(tmp_path):
    arguments = ["repeat_copy", *TINY, *SHORT, "--memory", "none", "--out", str(tmp_path)]
    assert main([*arguments, "--test-set", "repeats=11"]) == 0
    (folder,) = tmp_path.glob("*/*")
    tests = json.loads((folder / "evaluation.json").read_text())["tests"]
    assert [(test["length"], test.get("repeats")) for test in tests] == [(3, None), (5, None), (3, 11), (5, 11)]
    assert tests[3]["scored_bits"] == (5 * 11 + 1) * 4


def test_a_training_ends_once_the_error_stays_low(tmp_path):
    easy = ("--stop-below", "1000", "--evaluate-every", "2", "--batches", "100", "--memory", "none")
    assert command(tmp_path, *easy) == 0
    (folder,) = tmp_path.glob("*/*")
    result = json.loads((folder / "evaluation.json").read_text())
    assert (result["ended"], result["batches"], result["below_since"]) == ("stop_below", 10, 2)
    assert len(result["tests"]) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--memory", "episodc"], ["episodc", "episodic"]),
        (["--memory-set", "slot=3"], ["'slot'", "did you mean 'slots'"]),
        (["--memory-set", "slots=0"], ["slots=0"]),
        (["--memory-set", "slots"], ["--memory-set", "KEY=VALUE"]),
        (["--memory-set", "gate_bias=wide"], ["--memory-set"]),
        (["--controller-set", "hidden_size=None"], ["hidden_size=None"]),
        (["--task-set", "bit=3"], ["'bit'", "did you mean 'bits'"]),
        (["--test-set", "bits=4"], ["--test-set", "bits=4"]),
        (["--lengths", "5-3"], ["--lengths", "5-3"]),
        (["--lengths", "a-3"], ["--lengths", "'a'"]),
        (["--batches", "0"], ["--batches", "'0'"]),
        (["--learning-rate", "nan"], ["--learning-rate", "nan"]),
        (["--seeds", "1,x"], ["--seeds", "'x'"]),
        (["--device", "abacus"], ["--device", "abacus"]),
        (["--loud"], ["--loud"]),
    ],
)
def test_a_bad_option_is_one_line_and_leaves_nothing(tmp_path, capfd, arguments, named):
    try:
        status = command(tmp_path / "runs", *arguments)
    except SystemExit as ended:
        status = ended.code
    out, err = capfd.readouterr()
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert all(word in err for word in named)
    assert not (tmp_path / "runs").exists()


def test_what_a_stop_leaves(tmp_path):
    arguments = ["copy", *TINY, "--evaluate-every", "1", "--batches", "1000000", "--seeds", "0,1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.algorithmic", *arguments, "--memory", "none", "--out", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 60
    while not any(file.read_text().count("\n") > 2 for file in tmp_path.glob("*/*/progress.csv")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    stopping, stopped = err.splitlines()
    assert stopping.startswith("stopping")
    assert stopped.startswith("stopped: seed 0 after ")
    (folder,) = tmp_path.glob("*/*")
    assert {file.name for file in folder.iterdir()} == FILES - {"memory.png"}
    result = json.loads((folder / "evaluation.json").read_text())
    assert result["ended"] == "stopped"
    assert result["batches"] > 1


def test_nothing_of_reinforcement_learning_is_needed():
    code = (
        "import sys\n"
        "for name in ('gymnasium', 'stable_baselines3', 'minigrid', 'hydra', 'engram.agents', 'engram.envs'):\n"
        "    sys.modules[name] = None\n"
        "import benchmarks.algorithmic.__main__\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.slow
def test_an_lstm_learns_to_copy_short_sequences():
    torch.manual_seed(0)
    net = SequenceModel(BITS + 1, BITS, "lstm", "none", {"hidden_size": 64})
    easy = partial(copy, lengths=(1, 3), bits=BITS)
    for _ in train(net, easy, Generator().manual_seed(1), make_optimizer("adam", net, 3e-3), 3000, 16, clip=1.0):
        pass
    assert evaluate(net, easy, Generator().manual_seed(2), 200, 50).wrong_bits < 0.05


def test_switches_may_be_written_as_in_yaml():
    options = parse(["copy", "--memory", "dnc", "--memory-set", "links=false", "deallocate=true", "slots=5"], "")
    assert options.memory_set == {"links": False, "deallocate": True, "slots": 5}
