"""`embedder average`: the mean of weights, computed by hand from the files, and what cannot be averaged."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from embedder.commands.average import average as average_command
from embedder.encoders.checkpoint import describe, load_trained, training_of
from embedder.encoders.checkpoint_file import CHECKPOINT_KEY
from embedder.encoders.config import EncoderConfig
from embedder.encoders.encoder import TextEncoder
from embedder.encoders.export import export
from embedder.errors import ConfigError, DataError
from embedder.search.average import average
from embedder.types import TaskSides

QA, TOOL = TaskSides("ask: ", "passage: "), TaskSides("request: ", "tool: ")


def trained(base, folder, seed, tasks, **settings):
    """An export whose weights lie a little beside those of its base."""
    encoder = TextEncoder(EncoderConfig(str(base), pooling="mean", **settings))
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 0.05 * torch.randn_like(weight)
    data = {f"{name}/set": {"files": f"{name}{seed}"} for name in tasks}
    return export(encoder, tasks, folder / "export", {"data": data})


@pytest.fixture(scope="module")
def exports(bert_directory, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    return trained(bert_directory, folder / "qa", 1, {"qa": QA}), trained(
        bert_directory, folder / "tool", 2, {"tool": TOOL}
    )


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_the_weights_are_the_mean_and_the_tasks_those_of_all(exports, bert_directory, tmp_path, capsys):
    to = tmp_path / "export"
    average_command([*map(str, exports), "base", "--weights", "0.5", "0.3", "0.2", "--to", str(to)])
    assert capsys.readouterr().out == f"exported model: {to}\n"
    parts = [weights(exports[0]), weights(exports[1]), weights(bert_directory)]
    for name, values in weights(to).items():
        expected = 0.5 * parts[0][name].double() + 0.3 * parts[1][name].double() + 0.2 * parts[2][name].double()
        torch.testing.assert_close(values, expected.float(), rtol=0, atol=1e-7)
    loaded = load_trained(to)  # which compares the vectors of fixed texts
    assert (loaded.tasks["qa"].query_instruction, loaded.tasks["tool"].key_instruction) == ("ask: ", "tool: ")
    about = training_of(to)
    assert {one["files"] for one in about.data.values()} == {"qa1", "tool2"}  # so that leaks into test sets are seen
    assert about.base == str(bert_directory)
    assert json.loads((to / "embedder.json").read_text())["average"] == [
        ["qa/export", 0.5],
        ["tool/export", 0.3],
        ["base", 0.2],
    ]


def test_a_checkpoint_is_averaged_as_its_export_is(bert_directory, tmp_path):
    (tmp_path / "export").mkdir()
    directory = trained(bert_directory, tmp_path / "export", 3, {"qa": QA})
    encoder = TextEncoder(EncoderConfig(str(bert_directory), pooling="mean"))
    encoder.load_state_dict(load_trained(directory).encoder.state_dict())
    state = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    description = describe(encoder, {"qa": QA}, {"data": {"qa/set": {"files": "qa3"}}})
    torch.save({"state_dict": state, CHECKPOINT_KEY: description}, tmp_path / "last.ckpt")
    files = (directory, tmp_path / "last.ckpt")
    means = [average([file, "base"], [0.5, 0.5], tmp_path / f"mean-{file.stem}") for file in files]
    first, second = map(weights, means)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert training_of(means[0]) == training_of(means[1])


def test_what_was_trained_from_an_export_began_with_its_base(exports, bert_directory, tmp_path):
    again = trained(exports[0], tmp_path, 4, {"qa": QA})
    mean = weights(average([again, "base"], [0.5, 0.5], tmp_path / "mean"))
    first, base = weights(again), weights(bert_directory)
    for name, values in mean.items():
        torch.testing.assert_close(values, (first[name] + base[name]) / 2, rtol=0, atol=1e-6)
    assert average([again, exports[1]], None, tmp_path / "both").is_dir()


def test_the_whole_share_of_one_is_that_one(exports, tmp_path):
    same = average([exports[0], "base"], [1.0, 0.0], tmp_path / "export")
    for name, values in weights(same).items():
        assert torch.equal(values, weights(exports[0])[name])
    equal = average(list(exports), None, tmp_path / "export")  # replaces the first
    assert json.loads((equal / "embedder.json").read_text())["average"] == [["qa/export", 0.5], ["tool/export", 0.5]]


def test_what_cannot_be_averaged_is_one_error_and_nothing_is_written(exports, bert_directory, tmp_path):
    to = tmp_path / "new"
    other = trained(bert_directory, tmp_path / "other", 3, {"qa": TaskSides("find: ", "passage: ")})
    cut = trained(bert_directory, tmp_path / "cut", 3, {"qa": QA}, dimension=8)
    base, start = (shutil.copytree(bert_directory, tmp_path / name) for name in ("base", "start"))
    shutil.copy(exports[0] / "model.safetensors", start)
    moved = trained(start, tmp_path / "moved", 3, {"qa": QA})  # the same shapes, from another start
    of_moved = trained(base, tmp_path / "of_moved", 3, {"qa": QA})
    shutil.copy(exports[0] / "model.safetensors", base)  # and a base that is another one since
    apart = trained(bert_directory, tmp_path / "apart", 3, {"qa": QA}, shared=False)
    for sources, shares, error, said in (
        ([exports[0]], None, ConfigError, "expected two or more encoders"),
        (["base", "base"], None, ConfigError, "expected an export or a checkpoint, beside base"),
        (exports, [0.5, 0.6], ConfigError, "2 numbers, one for each encoder, whose sum is 1"),
        (exports, [1.0], ConfigError, "2 numbers, one for each encoder, whose sum is 1"),
        ([exports[0], other], None, ConfigError, "that read qa as"),
        ([exports[0], cut], None, DataError, "dimension 8, and the first encoder has None"),
        ([exports[0], apart], None, DataError, "other weights than the first encoder"),
        ([exports[0], tmp_path], None, DataError, "not an export"),
        ([exports[0], moved], None, DataError, "and the first export began with"),
        ([of_moved, "base"], None, DataError, "and the first export began with"),
    ):
        with pytest.raises(error, match=said):
            average(sources, shares, to)
        assert not to.exists()
