"""The trained encoder that other commands start from, made once; what tests have done, shown at the end."""

import pytest

from tests.robustness.chain import Chain, done, write_data


@pytest.fixture(scope="session")
def chain(tmp_path_factory, bert_directory, llama_directory):
    """A folder with data, prepared, and a training."""
    root = tmp_path_factory.mktemp("chain")
    write_data(root)
    one = Chain(root, bert_directory, llama_directory)
    for command in (one.prepare(), one.train()):
        done(command, root)
    return one


@pytest.fixture
def say(request):
    """Show a line in the summary, such as how often something was killed."""
    return lambda line: request.node.user_properties.append(("done", line))


def pytest_terminal_summary(terminalreporter):
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if getattr(report, "when", None) == "call":
            for line in (line for name, line in report.user_properties if name == "done"):
                terminalreporter.write_line(f"{report.outcome}: {line}")
