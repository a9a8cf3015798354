"""Alembic's entry: runs the migrations on the connection that `agent.queue.database` gives."""

from alembic import context

from agent.queue.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller's transaction holds everything
)
context.run_migrations()
