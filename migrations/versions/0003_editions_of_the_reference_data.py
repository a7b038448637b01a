"""editions of the reference data"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("area", "agency", "category", "time_limit", "calendar_override")


def upgrade() -> None:
    op.create_table(
        "reference_edition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("edition", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_edition")),
    )
    op.execute("INSERT INTO reference_edition (id, edition) VALUES (1, 'first')")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION new_reference_edition() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "UPDATE reference_edition SET edition = gen_random_uuid()::text; RETURN NULL; END $$"
        )
        for table in TABLES:
            op.execute(
                f"CREATE TRIGGER new_edition AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION new_reference_edition()"
            )
        return
    for table in TABLES:
        for event in ("insert", "update", "delete"):
            op.execute(
                f"CREATE TRIGGER new_edition_{table}_{event} AFTER {event} ON {table} BEGIN "
                "UPDATE reference_edition SET edition = lower(hex(randomblob(16))); END"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"DROP TRIGGER new_edition ON {table}")
        op.execute("DROP FUNCTION new_reference_edition()")
    else:
        for table in TABLES:
            for event in ("insert", "update", "delete"):
                op.execute(f"DROP TRIGGER new_edition_{table}_{event}")
    op.drop_table("reference_edition")
