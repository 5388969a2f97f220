"""`report.html`: one page about a run that loads nothing else."""
