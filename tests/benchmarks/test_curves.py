import subprocess
import sys

HEADER = "time/total_timesteps,rollout/success_rate,memory/gate\n"


def curves(tmp_path, *arguments):
    command = [sys.executable, "-m", "benchmarks.figures.curves", *arguments, "--out", str(tmp_path / "out.png")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run_folder(tmp_path, name, *rows):
    folder = tmp_path / name / "seed0"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return str(folder)


def test_a_run_without_the_metric_is_left_out_and_named(tmp_path):
    whole, part = run_folder(tmp_path, "a", "10,0.1,0.9", "20,0.5,0.8"), run_folder(tmp_path, "b", "10,0.1,", "20,0.2,")
    done = curves(tmp_path, whole, part, "--metrics", "memory/gate")
    assert done.returncode == 0
    assert "left out: " in done.stderr
    assert "there is no metric 'memory/gate'" in done.stderr
    assert (tmp_path / "out.png").stat().st_size > 1_000


def test_nothing_to_draw_is_an_error(tmp_path):
    done = curves(tmp_path, str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "curves: nothing to draw"
    assert "Traceback" not in done.stderr
