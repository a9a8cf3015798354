"""What goes into an exported task: files that run where nothing of Kettle is installed."""
