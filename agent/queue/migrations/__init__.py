"""How the queue's tables came to be, one step a file, run by Alembic."""
