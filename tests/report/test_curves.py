import pytest

from embedder.errors import DataError
from embedder.report.curves import read_curves


def write(directory, name, text):
    (directory / "csv").mkdir(exist_ok=True)
    (directory / "csv" / name).write_text(text)


def test_stretches_of_a_resumed_run_are_one_curve(tmp_path):
    write(tmp_path, "metrics.until-stop-2.csv", "step,train/qa/loss,speed/x\n0,4,1\n1,3,1\n")
    write(tmp_path, "metrics.until-stop-10.csv", "step,train/qa/loss,speed/x\n1,2.7,1\n")  # after the second
    write(tmp_path, "metrics.until-stop-1.csv", "step,train/qa/loss\n0,9\n")
    write(tmp_path, "metrics.csv", "step,train/qa/loss,val/loss,speed/x\n2,2,5,1\n")
    (curve,) = read_curves(tmp_path)  # one value of val/loss is no curve, speed is none of training's results
    assert (curve.name, curve.points) == ("train/qa/loss", [(0, 4), (1, 2.7), (2, 2)])
    assert curve.path.startswith("M0,")


def test_long_curves_are_thinned_to_what_a_screen_shows(tmp_path):
    write(tmp_path, "metrics.csv", "step,loss\n" + "".join(f"{step},{step}\n" for step in range(10_000)))
    (curve,) = read_curves(tmp_path)
    assert len(curve.points) <= 240
    assert curve.points[0] == (20.5, 20.5)  # the mean of steps 0 to 41


def test_a_bad_log_is_named(tmp_path):
    with pytest.raises(DataError, match="expected the log of a training run"):
        read_curves(tmp_path)
    write(tmp_path, "metrics.csv", "step,loss\n0,1\n1,much\n")
    with pytest.raises(DataError, match=r"metrics\.csv:3: not a row of logged numbers"):
        read_curves(tmp_path)
    write(tmp_path, "metrics.csv", "step,loss,val\n0,1,1\n1,2.3")  # of 2.375,1
    with pytest.raises(DataError, match=r"metrics\.csv:3: not a whole row"):
        read_curves(tmp_path)
    write(tmp_path, "metrics.csv", "")
    with pytest.raises(DataError, match=r"metrics\.csv: the file is empty"):
        read_curves(tmp_path)
