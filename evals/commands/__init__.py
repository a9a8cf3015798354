"""The commands of `python -m evals`, one module for each."""
