"""The gate's checks: each is a function from `Trials` to `Said`, with a docstring for people."""
