"""Who labels: the processes of this machine, those of torchrun or SLURM, or a Ray cluster."""
