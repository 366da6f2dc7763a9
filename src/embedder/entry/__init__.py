"""What every command does around its run: settings checked, errors in one line, signals, secrets, sweeps."""
