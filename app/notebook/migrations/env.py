"""What Alembic runs for every command: the migrations, on the connection it is handed.

There is no alembic.ini: `app/notebook/migrate.py` makes the configuration.
"""

from alembic import context

from app.notebook.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction holds all steps
)
context.run_migrations()
