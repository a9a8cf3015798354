"""The commands of `python -m agent`, one module each; `agent.cli` puts them together."""
