"""Where a session comes from: its repository, start state, outcome and licence."""
