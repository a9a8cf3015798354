"""What a builder can call: one tool, the terminal, and plain scripts that lie in its sandbox."""
