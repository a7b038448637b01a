"""registers that were taken in"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_run",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "register_name",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("mapping_hash", sa.String(length=64), nullable=False),
        sa.Column("on_behalf_of", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_import_run")),
    )
    with op.batch_alter_table("import_run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_import_run_register_name"), ["register_name"], unique=False)

    op.create_table(
        "taken_row",
        sa.Column(
            "register_name",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "row_id",
            sa.String(length=100).with_variant(sa.VARCHAR(length=100, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_taken_row_problem_id")),
        sa.ForeignKeyConstraint(["run"], ["import_run.number"], name=op.f("fk_taken_row_run")),
        sa.PrimaryKeyConstraint("register_name", "row_id", name=op.f("pk_taken_row")),
        sa.UniqueConstraint("problem_id", name=op.f("uq_taken_row_problem_id")),
    )
    with op.batch_alter_table("taken_row", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_taken_row_run"), ["run"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("taken_row", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_taken_row_run"))

    op.drop_table("taken_row")
    with op.batch_alter_table("import_run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_import_run_register_name"))

    op.drop_table("import_run")
