"""`python -m agent`: see `agent.cli`."""

from agent.cli import main

if __name__ == "__main__":
    main()
