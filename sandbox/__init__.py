"""Docker: the engine, images, and containers in which commands run under limits."""
