"""the first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "username",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("username", name=op.f("uq_account_username")),
    )
    op.create_table(
        "administration_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("post_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_administration_entry")),
    )
    with op.batch_alter_table("administration_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_administration_entry_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_administration_entry_at"), ["at"], unique=False)

    op.create_table(
        "area",
        sa.Column(
            "code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "search_name",
            sa.String(length=120).with_variant(sa.VARCHAR(length=120, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("level", sa.String(length=32), nullable=False),
        sa.Column(
            "parent_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("time_zone", sa.String(length=40), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column(
            "predecessor_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("postal_code", sa.String(length=5), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["parent_code"], ["area.code"], name=op.f("fk_area_parent_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_area")),
    )
    with op.batch_alter_table("area", schema=None) as batch_op:
        batch_op.create_index("ix_area_level_code", ["level", "code"], unique=False)
        batch_op.create_index("ix_area_parent_code", ["parent_code", "code"], unique=False)
        batch_op.create_index("ix_area_search_name_code", ["search_name", "code"], unique=False)

    op.create_table(
        "category",
        sa.Column(
            "code",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("label", sa.String(length=120), nullable=False),
        sa.Column(
            "parent_code",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("class", sa.String(length=32), nullable=False),
        sa.Column("proof_required", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["parent_code"], ["category.code"], name=op.f("fk_category_parent_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_category")),
    )
    with op.batch_alter_table("category", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_category_parent_code"), ["parent_code"], unique=False)

    op.create_table(
        "journal_text",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("salt", sa.String(length=32), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_text")),
    )
    op.create_table(
        "log_head",
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_log_head")),
    )
    op.create_table(
        "photo",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("perceptual_hash", sa.String(length=16), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(length=40), nullable=False),
        sa.Column("stored_name", sa.String(length=80), nullable=False),
        sa.Column("thumbnail_name", sa.String(length=80), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photo")),
        sa.UniqueConstraint("stored_name", name=op.f("uq_photo_stored_name")),
    )
    with op.batch_alter_table("photo", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_photo_perceptual_hash"), ["perceptual_hash"], unique=False)
        batch_op.create_index(batch_op.f("ix_photo_sha256"), ["sha256"], unique=False)

    op.create_table(
        "remembered_answer",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_remembered_answer")),
    )
    with op.batch_alter_table("remembered_answer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_remembered_answer_at"), ["at"], unique=False)

    op.create_table(
        "time_limit",
        sa.Column("class_code", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("class_code", "stage", name=op.f("pk_time_limit")),
    )
    op.create_table(
        "agency",
        sa.Column(
            "code",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column(
            "city_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("has_accounts", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["city_code"], ["area.code"], name=op.f("fk_agency_city_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_agency")),
    )
    with op.batch_alter_table("agency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agency_city_code"), ["city_code"], unique=False)

    op.create_table(
        "calendar_override",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "area_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("working", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["area_code"], ["area.code"], name=op.f("fk_calendar_override_area_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_override")),
    )
    with op.batch_alter_table("calendar_override", schema=None) as batch_op:
        batch_op.create_index("ix_calendar_override_day_id", ["day", "id"], unique=False)
        batch_op.create_index("uq_calendar_override_area_day", ["area_code", "day"], unique=True)
        batch_op.create_index(
            "uq_calendar_override_everywhere",
            ["day"],
            unique=True,
            sqlite_where=sa.text("area_code IS NULL"),
            postgresql_where=sa.text("area_code IS NULL"),
        )

    op.create_table(
        "device_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_device_session_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_device_session_token_hash")),
    )
    with op.batch_alter_table("device_session", schema=None) as batch_op:
        batch_op.create_index("ix_device_session_account", ["account_id", "id"], unique=False)

    op.create_table(
        "journal_entry",
        sa.Column(
            "log", sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"), nullable=False
        ),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("kind_version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("author", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["log"], ["log_head.log"], name=op.f("fk_journal_entry_log")),
        sa.PrimaryKeyConstraint("log", "position", name=op.f("pk_journal_entry")),
        sa.UniqueConstraint("subject", "version", name=op.f("uq_journal_entry_subject_version")),
    )
    with op.batch_alter_table("journal_entry", schema=None) as batch_op:
        batch_op.create_index("ix_journal_entry_at", ["at"], unique=False)

    op.create_table(
        "problem",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=24), nullable=False),
        sa.Column(
            "area_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "district_code",
            sa.String(length=8).with_variant(sa.VARCHAR(length=8, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "city_code",
            sa.String(length=5).with_variant(sa.VARCHAR(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=160), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column(
            "category_code",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("class_code", sa.String(length=32), nullable=False),
        sa.Column("proof_required", sa.Boolean(), nullable=False),
        sa.Column("seen_on", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("source_ref", sa.String(length=100), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("address", sa.String(length=300), nullable=True),
        sa.Column("landmark", sa.String(length=300), nullable=True),
        sa.Column("rt", sa.String(length=3), nullable=True),
        sa.Column("rw", sa.String(length=3), nullable=True),
        sa.Column("priority", sa.String(length=32), nullable=False),
        sa.Column("escalation", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("origin", sa.String(length=40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("desk", sa.String(length=40), nullable=True),
        sa.Column(
            "lead_agency",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("ground", sa.String(length=32), nullable=False),
        sa.Column("overlay", sa.String(length=32), nullable=True),
        sa.Column("returned_to", sa.String(length=16), nullable=True),
        sa.Column("is_question", sa.Boolean(), nullable=False),
        sa.Column("hold_reason", sa.String(length=32), nullable=True),
        sa.Column("hold_review_on", sa.Date(), nullable=True),
        sa.Column("forwarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("endorsed", sa.Boolean(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("target_on", sa.Date(), nullable=True),
        sa.Column("plan", sa.String(), nullable=True),
        sa.Column("bounces", sa.Integer(), nullable=False),
        sa.Column("authority_decided", sa.Boolean(), nullable=False),
        sa.Column(
            "alerted_agency",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("is_finished", sa.Boolean(), nullable=False),
        sa.Column("worked_by", sa.String(length=32), nullable=True),
        sa.Column("finished_by", sa.Uuid(), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirm_widens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.String(length=32), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closing", sa.String(length=32), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_version", sa.Integer(), nullable=True),
        sa.Column("rejected_by", sa.Uuid(), nullable=True),
        sa.Column("is_appealed", sa.Boolean(), nullable=False),
        sa.Column("appeal_pending", sa.Boolean(), nullable=False),
        sa.Column("main_id", sa.Uuid(), nullable=True),
        sa.Column("main_outcome", sa.String(length=32), nullable=True),
        sa.Column("planned_in", sa.String(length=100), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("promised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("desk_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["area_code"], ["area.code"], name=op.f("fk_problem_area_code")),
        sa.ForeignKeyConstraint(["author_id"], ["account.id"], name=op.f("fk_problem_author_id")),
        sa.ForeignKeyConstraint(["category_code"], ["category.code"], name=op.f("fk_problem_category_code")),
        sa.ForeignKeyConstraint(["main_id"], ["problem.id"], name=op.f("fk_problem_main_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem")),
        sa.UniqueConstraint("area_code", "position", name=op.f("uq_problem_area_code_position")),
        sa.UniqueConstraint("number", name=op.f("uq_problem_number")),
    )
    with op.batch_alter_table("problem", schema=None) as batch_op:
        batch_op.create_index("ix_problem_alerted_new", ["alerted_agency", "created_at", "id"], unique=False)
        batch_op.create_index("ix_problem_area_new", ["area_code", "created_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_problem_category_code"), ["category_code"], unique=False)
        batch_op.create_index("ix_problem_city_new", ["city_code", "created_at", "id"], unique=False)
        batch_op.create_index("ix_problem_city_state_new", ["city_code", "state", "created_at", "id"], unique=False)
        batch_op.create_index("ix_problem_desk_new", ["desk", "created_at", "id"], unique=False)
        batch_op.create_index("ix_problem_district_new", ["district_code", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_problem_district_state_new", ["district_code", "state", "created_at", "id"], unique=False
        )
        batch_op.create_index("ix_problem_lead_new", ["lead_agency", "created_at", "id"], unique=False)
        batch_op.create_index("ix_problem_main", ["main_id", "main_outcome"], unique=False)
        batch_op.create_index("ix_problem_origin_new", ["origin", "created_at", "id"], unique=False)
        batch_op.create_index("ix_problem_overlay_review", ["overlay", "hold_review_on"], unique=False)
        batch_op.create_index("ix_problem_state_until", ["state", "desk_until"], unique=False)
        batch_op.create_index("ix_problem_updated", ["city_code", "updated_at"], unique=False)

    op.create_table(
        "assignment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column(
            "agency_code",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("is_lead", sa.Boolean(), nullable=False),
        sa.Column("is_required", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("assigned_by", sa.String(length=16), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("is_binding", sa.Boolean(), nullable=False),
        sa.Column("instruction", sa.String(), nullable=True),
        sa.Column("delegated_to", sa.String(length=160), nullable=True),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.String(length=32), nullable=True),
        sa.Column("hold_review_on", sa.Date(), nullable=True),
        sa.Column("hold_proposed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.String(length=32), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_assignment_agency_code")),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_assignment_problem_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
    )
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.create_index("ix_assignment_agency_new", ["agency_code", "offered_at", "id"], unique=False)
        batch_op.create_index(
            "ix_assignment_agency_state_new", ["agency_code", "state", "offered_at", "id"], unique=False
        )
        batch_op.create_index("ix_assignment_hold", ["hold_proposed_at"], unique=False)
        batch_op.create_index("ix_assignment_problem", ["problem_id", "sequence"], unique=False)

    op.create_table(
        "post",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column(
            "area_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column(
            "agency_code",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=True,
        ),
        sa.Column("acting", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_post_account_id")),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_post_agency_code")),
        sa.ForeignKeyConstraint(["area_code"], ["area.code"], name=op.f("fk_post_area_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
    )
    with op.batch_alter_table("post", schema=None) as batch_op:
        batch_op.create_index("ix_post_account", ["account_id", "since"], unique=False)
        batch_op.create_index("ix_post_agency", ["agency_code", "kind"], unique=False)
        batch_op.create_index("ix_post_area", ["area_code", "kind"], unique=False)
        batch_op.create_index("ix_post_kind", ["kind", "id"], unique=False)

    op.create_table(
        "problem_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("internal", sa.Boolean(), nullable=False),
        sa.Column("side", sa.String(length=40), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("author", sa.String(length=160), nullable=False),
        sa.Column("post", sa.String(length=40), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_problem_comment_problem_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem_comment")),
    )
    with op.batch_alter_table("problem_comment", schema=None) as batch_op:
        batch_op.create_index("ix_problem_comment_new", ["problem_id", "at", "id"], unique=False)

    op.create_table(
        "problem_link",
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["problem.id"], name=op.f("fk_problem_link_other_id")),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_problem_link_problem_id")),
        sa.PrimaryKeyConstraint("problem_id", "other_id", name=op.f("pk_problem_link")),
    )
    with op.batch_alter_table("problem_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_problem_link_other_id"), ["other_id"], unique=False)

    op.create_table(
        "problem_photo",
        sa.Column("photo_id", sa.Uuid(), nullable=False),
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seen_before", sa.Boolean(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photo.id"], name=op.f("fk_problem_photo_photo_id")),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_problem_photo_problem_id")),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_problem_photo")),
    )
    with op.batch_alter_table("problem_photo", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_problem_photo_problem_id"), ["problem_id"], unique=False)

    op.create_table(
        "reporter",
        sa.Column("problem_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["problem_id"], ["problem.id"], name=op.f("fk_reporter_problem_id")),
        sa.PrimaryKeyConstraint("problem_id", name=op.f("pk_reporter")),
    )
    op.create_table(
        "responsibility",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "category_code",
            sa.String(length=64).with_variant(sa.VARCHAR(length=64, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "area_code",
            sa.String(length=13).with_variant(sa.VARCHAR(length=13, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "agency_code",
            sa.String(length=20).with_variant(sa.VARCHAR(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("learned_from", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_responsibility_agency_code")),
        sa.ForeignKeyConstraint(["area_code"], ["area.code"], name=op.f("fk_responsibility_area_code")),
        sa.ForeignKeyConstraint(["category_code"], ["category.code"], name=op.f("fk_responsibility_category_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responsibility")),
        sa.UniqueConstraint("category_code", "area_code", name=op.f("uq_responsibility_category_code_area_code")),
    )
    with op.batch_alter_table("responsibility", schema=None) as batch_op:
        batch_op.create_index("ix_responsibility_agency", ["agency_code", "category_code", "area_code"], unique=False)
    _make_search()


def downgrade() -> None:
    _drop_search()
    with op.batch_alter_table("responsibility", schema=None) as batch_op:
        batch_op.drop_index("ix_responsibility_agency")

    op.drop_table("responsibility")
    op.drop_table("reporter")
    with op.batch_alter_table("problem_photo", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_problem_photo_problem_id"))

    op.drop_table("problem_photo")
    with op.batch_alter_table("problem_link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_problem_link_other_id"))

    op.drop_table("problem_link")
    with op.batch_alter_table("problem_comment", schema=None) as batch_op:
        batch_op.drop_index("ix_problem_comment_new")

    op.drop_table("problem_comment")
    with op.batch_alter_table("post", schema=None) as batch_op:
        batch_op.drop_index("ix_post_kind")
        batch_op.drop_index("ix_post_area")
        batch_op.drop_index("ix_post_agency")
        batch_op.drop_index("ix_post_account")

    op.drop_table("post")
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.drop_index("ix_assignment_problem")
        batch_op.drop_index("ix_assignment_hold")
        batch_op.drop_index("ix_assignment_agency_state_new")
        batch_op.drop_index("ix_assignment_agency_new")

    op.drop_table("assignment")
    with op.batch_alter_table("problem", schema=None) as batch_op:
        batch_op.drop_index("ix_problem_updated")
        batch_op.drop_index("ix_problem_state_until")
        batch_op.drop_index("ix_problem_overlay_review")
        batch_op.drop_index("ix_problem_origin_new")
        batch_op.drop_index("ix_problem_main")
        batch_op.drop_index("ix_problem_lead_new")
        batch_op.drop_index("ix_problem_district_state_new")
        batch_op.drop_index("ix_problem_district_new")
        batch_op.drop_index("ix_problem_desk_new")
        batch_op.drop_index("ix_problem_city_state_new")
        batch_op.drop_index("ix_problem_city_new")
        batch_op.drop_index(batch_op.f("ix_problem_category_code"))
        batch_op.drop_index("ix_problem_area_new")
        batch_op.drop_index("ix_problem_alerted_new")

    op.drop_table("problem")
    with op.batch_alter_table("journal_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_journal_entry_at")

    op.drop_table("journal_entry")
    with op.batch_alter_table("device_session", schema=None) as batch_op:
        batch_op.drop_index("ix_device_session_account")

    op.drop_table("device_session")
    with op.batch_alter_table("calendar_override", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_calendar_override_everywhere",
            sqlite_where=sa.text("area_code IS NULL"),
            postgresql_where=sa.text("area_code IS NULL"),
        )
        batch_op.drop_index("uq_calendar_override_area_day")
        batch_op.drop_index("ix_calendar_override_day_id")

    op.drop_table("calendar_override")
    with op.batch_alter_table("agency", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agency_city_code"))

    op.drop_table("agency")
    op.drop_table("time_limit")
    with op.batch_alter_table("remembered_answer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_remembered_answer_at"))

    op.drop_table("remembered_answer")
    with op.batch_alter_table("photo", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_photo_sha256"))
        batch_op.drop_index(batch_op.f("ix_photo_perceptual_hash"))

    op.drop_table("photo")
    op.drop_table("log_head")
    op.drop_table("journal_text")
    with op.batch_alter_table("category", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_category_parent_code"))

    op.drop_table("category")
    with op.batch_alter_table("area", schema=None) as batch_op:
        batch_op.drop_index("ix_area_search_name_code")
        batch_op.drop_index("ix_area_parent_code")
        batch_op.drop_index("ix_area_level_code")

    op.drop_table("area")
    with op.batch_alter_table("administration_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_administration_entry_at"))
        batch_op.drop_index(batch_op.f("ix_administration_entry_account_id"))

    op.drop_table("administration_entry")
    op.drop_table("account")


def _make_search() -> None:
    """Problems by words: each database by its own means, kept up by the database itself."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX ix_problem_words ON problem USING gin (to_tsvector('simple', words))")
        return
    # A table of its own for the row numbers: those of `problem` may change when the file is compacted.
    op.execute("CREATE TABLE problem_search_row (number INTEGER PRIMARY KEY, problem_id CHAR(32) NOT NULL UNIQUE)")
    op.execute("CREATE VIRTUAL TABLE problem_search USING fts5(words, detail='none', columnsize=0)")
    number = "(SELECT number FROM problem_search_row WHERE problem_id = {}.id)"
    op.execute(
        "CREATE TRIGGER problem_search_added AFTER INSERT ON problem BEGIN "
        "INSERT INTO problem_search_row (problem_id) VALUES (new.id); "
        f"INSERT INTO problem_search (rowid, words) VALUES ({number.format('new')}, new.words); END"
    )
    op.execute(
        "CREATE TRIGGER problem_search_changed AFTER UPDATE OF words ON problem WHEN old.words <> new.words BEGIN "
        f"UPDATE problem_search SET words = new.words WHERE rowid = {number.format('new')}; END"
    )
    op.execute(
        "CREATE TRIGGER problem_search_removed AFTER DELETE ON problem BEGIN "
        f"DELETE FROM problem_search WHERE rowid = {number.format('old')}; "
        "DELETE FROM problem_search_row WHERE problem_id = old.id; END"
    )


def _drop_search() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_problem_words")
        return
    for event in ("added", "changed", "removed"):
        op.execute(f"DROP TRIGGER problem_search_{event}")
    op.execute("DROP TABLE problem_search")
    op.execute("DROP TABLE problem_search_row")
