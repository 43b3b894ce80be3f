import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import pytest

from engram.envs.factory import make_env
from engram.envs.play.__main__ import main
from engram.envs.play.game import Game
from engram.envs.tasks.mazes.shortest_paths import shortest_path

ROOT = Path(__file__).parent.parent.parent.parent
COMMAND = [sys.executable, "-m", "engram.envs.play"]


@pytest.fixture
def playing(monkeypatch, capsys):
    """Returns a function that plays keys from a pipe: the exit code, and the lines that were printed."""

    def play(keys, *arguments):
        monkeypatch.setattr(sys, "stdin", io.StringIO(keys))
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err.splitlines()

    return play


def way_to_the_right_choice(env_id, seed):
    maze = make_env(env_id, split="test")
    maze.reset(seed=seed)
    fork, right = maze.unwrapped.scene.fork, maze.unwrapped.scene.right
    wrong = set(fork.doorsteps) - {fork.doorsteps[right]}
    cells = maze.unwrapped.open_cells - wrong
    way = shortest_path(cells, maze.unwrapped.pose, lambda pose: pose[0] == fork.doorsteps[right])
    return "".join("lrf"[action] for action in way)


def test_keys_walk_a_maze_to_its_end(playing):
    keys = way_to_the_right_choice("Engram-MazeMatch-S9-v0", 7)
    arguments = ("Engram-MazeMatch-S9-v0", "--seed", "7", "--split", "test")
    code, lines, errors = playing(keys + "q", *arguments)
    assert (code, errors) == (0, [])
    assert lines[0] == "Engram-MazeMatch-S9-v0, test side, seed 7, episode 1"
    steps = [line for line in lines if "of at most 405" in line]
    assert [int(line.split("step ")[1].split()[0]) for line in steps] == list(range(len(keys) + 1))
    assert [line for line in lines if "the end" in line and "the end: success, score 1" in line]
    paid = f"{1 - 0.9 * len(keys) / 405:.3g}"
    assert f"reward {paid}, return {paid}" in "\n".join(lines)
    assert lines[-1] == "1 episode played to the end, 1 with success"
    assert playing(keys[:-1], *arguments)[1][-1] == "0 episodes played to the end"


def test_after_the_end_actions_do_nothing_until_another_episode_begins(playing):
    keys = way_to_the_right_choice("Engram-MazeMatch-S9-v0", 7)
    arguments = ("Engram-MazeMatch-S9-v0", "--seed", "7", "--split", "test")
    _, lines, _ = playing(keys, *arguments)
    assert playing(keys + "flr012", *arguments)[1] == lines
    _, more, _ = playing(keys + "ff n l q f", *arguments)
    assert more[: len(lines) - 1] == lines[:-1]
    assert [line.split(", ")[-1] for line in more if line.startswith("Engram")] == ["episode 1", "episode 2"]
    assert sum("step 1 " in line for line in more) == 2
    assert more[-1] == lines[-1]


def test_the_agents_view_or_the_whole_grid(playing):
    def rows(*arguments):
        return sum(line.startswith("│") for line in playing("q", *arguments)[1])

    assert rows("Engram-MatchS13-v0", "--seed", "1") == 3
    assert rows("Engram-MatchS13-v0", "--seed", "1", "--view", "--kwargs", "agent_view_size=5") == 5
    assert rows("Engram-MatchS13-v0", "--seed", "1", "--whole") == 13


def test_whether_the_cue_is_visible_and_what_the_action_was_called(playing):
    _, lines, _ = playing("fu", "Engram-TMaze-v0", "--seed", "1", "--kwargs", "delay=[2,2]", "cue_at=start")
    shown = [line for line in lines if line.startswith("step")]
    assert shown[0] == "step 0   cue visible"
    assert shown[1] == "step 1   action forward   reward 0, return 0   cue not visible"
    assert shown[2].startswith("step 2   action up")


def test_a_random_player_plays_one_episode_the_same_for_the_same_seed(playing):
    arguments = ("Engram-Binding-v0", "--random", "--kwargs", "cues=3", "--seed")
    code, lines, _ = playing("", *arguments, "4")
    assert code == 0
    assert sum("step 6 " in line for line in lines) == 1
    assert lines[-1].startswith("1 episode played to the end, ")
    assert playing("", *arguments, "4")[1] == lines
    assert playing("", *arguments, "5")[1] != lines


def test_a_random_player_plays_what_has_no_keys(playing):
    code, lines, _ = playing("", "Engram-PositionPendulum-v0", "--random", "--seed", "1")
    assert code == 0
    assert lines[-1] == "1 episode played to the end"


def test_without_a_seed_episodes_differ_and_the_seed_is_told(playing):
    first, second = (playing("q", "Engram-MatchS13-v0", "--whole")[1] for _ in range(2))
    assert first != second
    seed = first[0].split("seed ")[1].split(",")[0]
    assert playing("q", "Engram-MatchS13-v0", "--whole", "--seed", seed)[1] == first


def test_the_list_has_each_of_our_ids_and_a_line_about_it(playing):
    code, lines, _ = playing("", "--list")
    assert code == 0
    assert [line.split()[0] for line in lines] == [env_id for env_id in gym.registry if env_id.startswith("Engram-")]
    assert all(len(line.split(maxsplit=1)[1]) > 30 for line in lines)
    assert next(line for line in lines if line.startswith("Engram-Chain3-v0 ")).endswith("(hops=3)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a task; --list shows ours"),
        (("Engram-Ropm-S11-v0",), "no environment is registered as 'Engram-Ropm-S11-v0': did you mean"),
        (("Engram-RoomS11-v0", "--kwargs", "size"), "--kwargs size: must be KEY=VALUE"),
        (("Engram-RoomS11-v0", "--kwargs", "size=[9"), "--kwargs size=[9: must be KEY=VALUE"),
        (("Engram-RoomS11-v0", "--kwargs", "size=9"), "size=9 must be a whole number from 10 to 1000"),
        (("Engram-RoomS11-v0", "--kwargs", "sise=11"), "cannot be made with sise=11"),
        (("MiniGrid-MemoryS7-v0", "--kwargs", "size=8"), "MiniGrid-MemoryS7-v0 refuses size=8"),
        (("Engram-TMaze-v0", "--whole"), "--whole is for MiniGrid tasks"),
        (("Engram-TMaze-v0", "--seed", "-1"), "--seed -1: must be 0 or more"),
        (("Engram-TMaze-v0", "--split", "testing"), "invalid choice: 'testing'"),
        (("Engram-TMaze-v0", "--split", "test", "--kwargs", "delay=[5,5]"), "no layout on the test side"),
        (("Engram-PositionPendulum-v0",), "there are no keys for the actions Box"),
        (("Mine-v0", "--module", "no_such_module"), "module='no_such_module' cannot be imported"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(playing, arguments, message):
    code, lines, errors = playing("q", *arguments)
    assert (code, lines, len(errors)) == (2, [], 1)
    assert message in errors[0]


def test_ctrl_c_ends_with_one_line(monkeypatch, capsys):
    class Interrupted(io.StringIO):
        def read(self, size=-1):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Interrupted())
    assert main(["Engram-RoomS11-v0", "--seed", "1"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_game_counts_what_it_pays_and_refuses_to_go_on_after_the_end():
    game = Game(make_env("Engram-Counting-v0", kwargs={"symbols": 3, "most": 1, "length": 2, "queries": 2}), 5)
    paid = []
    while not game.over:
        game.act(0)
        paid.append(game.reward)
    assert len(paid) == game.steps == 4
    assert game.episode_return == pytest.approx(sum(paid))
    assert (game.episodes_over, game.successes) == (1, int(game.info["is_success"]))
    with pytest.raises(RuntimeError, match="the episode is over"):
        game.act(0)
    game.begin()
    assert (game.episode, game.steps, game.episode_return, game.over) == (2, 0, 0.0, False)


def test_at_a_terminal_which_is_left_as_it_was():
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    hand, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    player = subprocess.Popen(
        [*COMMAND, "Engram-MatchS9-v0", "--seed", "2"],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TERM": "xterm"},
    )
    try:
        while termios.tcgetattr(terminal) == before:
            assert player.poll() is None
            time.sleep(0.01)
        os.write(hand, b"\x1b[D\x1b[A")
        shown = b""
        while b"step 2 " not in shown:
            shown += os.read(hand, 1 << 16)
        assert b"new episode" in shown
        player.send_signal(signal.SIGINT)
        _, errors = player.communicate()
    finally:
        player.kill()
    assert (player.returncode, errors) == (130, "stopped\n")
    assert termios.tcgetattr(terminal) == before
    shown += os.read(hand, 1 << 16)
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h") == 1  # the cursor was hidden, and is back
    os.close(hand)
    os.close(terminal)
