"""Lightning's CSV logger, able to continue a file that another process of the same run has begun."""

import csv
from pathlib import Path

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only


class CsvLogger(CSVLogger):
    """Writes `metrics.csv`.

    With `ddp_spawn` the validation before training and the training itself are different processes; the original knows
    the columns of its own process only, and fails at the first row of the other.
    """

    @property
    @rank_zero_experiment
    def experiment(self) -> "_Writer":
        """What writes the file."""
        if not isinstance(self._experiment, _Writer):
            Path(self.root_dir).mkdir(parents=True, exist_ok=True)
            self._experiment = _Writer(log_dir=self.log_dir)
        return self._experiment


class _Writer(ExperimentWriter):
    def save(self) -> None:
        """Take over the columns that are there, then write."""
        path = Path(self.metrics_file_path)
        if not self.metrics_keys and path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                self.metrics_keys = list(next(csv.reader(file), []))
        super().save()


@rank_zero_only
def keep_earlier_log(output_dir: Path) -> None:
    """Keep the log of the run before it was resumed under another name: Lightning's logger would delete it."""
    path = output_dir / "csv" / "metrics.csv"
    if path.is_file():
        n = sum(1 for _ in path.parent.glob(f"{path.stem}.until-stop-*{path.suffix}"))
        path.rename(path.with_name(f"{path.stem}.until-stop-{n + 1}{path.suffix}"))
