"""phones that synchronise"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


SIGHTS = """
INSERT INTO sight (agency_code, log, problem_id, position, gone, at)
SELECT seen.agency_code, problem.area_code, problem.id, problem.position, false, problem.updated_at
FROM problem JOIN (
    SELECT problem_id, agency_code FROM assignment WHERE state <> 'revoked'
    UNION SELECT id, alerted_agency FROM problem WHERE alerted_agency IS NOT NULL
    UNION SELECT id, substr(origin, 8) FROM problem WHERE origin LIKE 'agency:%'
) AS seen ON seen.problem_id = problem.id
"""
"""What each agency sees of the problems there are."""


def upgrade() -> None:
    op.create_table(
        "sight",
        sa.Column(
            "agency_code",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agency_code", "log", "problem_id", name=op.f("pk_sight")),
    )
    op.create_index("ix_sight_agency_position", "sight", ["agency_code", "log", "position"], unique=False)
    op.create_index("ix_sight_gone", "sight", ["gone", "at"], unique=False)

    op.create_table(
        "sync_delivery",
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("log", "post_id", name=op.f("pk_sync_delivery")),
    )
    op.create_table(
        "sync_operation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("refusal", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("proposal_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_operation")),
        sa.UniqueConstraint(
            "account_id", "device_id", "number", name=op.f("uq_sync_operation_account_id_device_id_number")
        ),
    )
    op.create_table(
        "sync_quarantined",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=True
        ),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("assignment_id", sa.Uuid(), nullable=True),
        sa.Column("verb", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("refusal", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("post", sa.String(length=40), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settlement", sa.String(length=32), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(length=160), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_quarantined")),
    )
    op.create_index("ix_sync_quarantined_author", "sync_quarantined", ["account_id", "received_at", "id"], unique=False)
    op.create_index("ix_sync_quarantined_log", "sync_quarantined", ["log", "received_at", "id"], unique=False)
    op.create_index("ix_sync_quarantined_problem", "sync_quarantined", ["problem_id"], unique=False)
    op.create_index(
        "ix_sync_quarantined_sender", "sync_quarantined", ["account_id", "device_id", "problem_id"], unique=False
    )

    op.create_table(
        "sync_receipt",
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("post", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_sync_receipt")),
    )
    op.create_table(
        "sync_silence",
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_sync_silence")),
    )
    op.create_table(
        "sync_upload",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_upload")),
    )
    op.create_index("ix_sync_upload_expires", "sync_upload", ["expires_at"], unique=False)

    op.create_table(
        "sync_device",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "area_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("safe", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skew_seconds", sa.Integer(), nullable=True),
        sa.Column("first_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_sync_device_account_id")),
        sa.PrimaryKeyConstraint("account_id", "id", name=op.f("pk_sync_device")),
    )
    op.create_index("ix_sync_device_area", "sync_device", ["area_code", "last_contact_at"], unique=False)
    op.create_table(
        "sync_contact",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column(
            "area_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "device_id"],
            ["sync_device.account_id", "sync_device.id"],
            name=op.f("fk_sync_contact_account_id_device_id"),
        ),
        sa.PrimaryKeyConstraint("account_id", "device_id", "area_code", name=op.f("pk_sync_contact")),
    )
    op.create_index("ix_sync_contact_area", "sync_contact", ["area_code", "at"], unique=False)

    op.create_table(
        "problem_reading",
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_problem_reading_problem_id")),
        sa.PrimaryKeyConstraint("problem_id", name=op.f("pk_problem_reading")),
    )
    op.create_index("ix_problem_reading_log", "problem_reading", ["log", "position"], unique=False)

    op.create_table(
        "sync_proposal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.String(length=64), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("yours", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("post", sa.String(length=40), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settlement", sa.String(length=32), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.String(length=160), nullable=True),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_sync_proposal_problem_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_proposal")),
    )
    op.create_index("ix_sync_proposal_author", "sync_proposal", ["account_id", "received_at", "id"], unique=False)
    op.create_index("ix_sync_proposal_log", "sync_proposal", ["log", "received_at", "id"], unique=False)
    op.create_index("ix_sync_proposal_problem", "sync_proposal", ["problem_id"], unique=False)

    op.add_column("log_head", sa.Column("floor", sa.Integer(), nullable=False, server_default="0"))

    with op.batch_alter_table("photo") as batch_op:
        batch_op.alter_column("perceptual_hash", existing_type=sa.VARCHAR(length=16), nullable=True)
        batch_op.alter_column("width", existing_type=sa.INTEGER(), nullable=True)
        batch_op.alter_column("height", existing_type=sa.INTEGER(), nullable=True)
        batch_op.alter_column("stored_name", existing_type=sa.VARCHAR(length=80), nullable=True)
        batch_op.alter_column("thumbnail_name", existing_type=sa.VARCHAR(length=80), nullable=True)
    op.execute(SIGHTS)


def downgrade() -> None:
    op.execute("DELETE FROM problem_photo WHERE photo_id IN (SELECT id FROM photo WHERE stored_name IS NULL)")
    op.execute("DELETE FROM photo WHERE stored_name IS NULL")
    with op.batch_alter_table("photo") as batch_op:
        batch_op.alter_column("thumbnail_name", existing_type=sa.VARCHAR(length=80), nullable=False)
        batch_op.alter_column("stored_name", existing_type=sa.VARCHAR(length=80), nullable=False)
        batch_op.alter_column("height", existing_type=sa.INTEGER(), nullable=False)
        batch_op.alter_column("width", existing_type=sa.INTEGER(), nullable=False)
        batch_op.alter_column("perceptual_hash", existing_type=sa.VARCHAR(length=16), nullable=False)

    op.drop_column("log_head", "floor")

    op.drop_index("ix_sync_proposal_problem", "sync_proposal")
    op.drop_index("ix_sync_proposal_log", "sync_proposal")
    op.drop_index("ix_sync_proposal_author", "sync_proposal")

    op.drop_table("sync_proposal")
    op.drop_index("ix_problem_reading_log", "problem_reading")

    op.drop_table("problem_reading")
    op.drop_index("ix_sync_device_area", "sync_device")

    op.drop_table("sync_contact")
    op.drop_table("sync_device")
    op.drop_index("ix_sync_upload_expires", "sync_upload")

    op.drop_table("sync_upload")
    op.drop_table("sync_silence")
    op.drop_table("sync_receipt")
    op.drop_index("ix_sync_quarantined_sender", "sync_quarantined")
    op.drop_index("ix_sync_quarantined_problem", "sync_quarantined")
    op.drop_index("ix_sync_quarantined_log", "sync_quarantined")
    op.drop_index("ix_sync_quarantined_author", "sync_quarantined")

    op.drop_table("sync_quarantined")
    op.drop_table("sync_operation")
    op.drop_table("sync_delivery")
    op.drop_index("ix_sight_gone", "sight")
    op.drop_index("ix_sight_agency_position", "sight")

    op.drop_table("sight")
