"""marketplaces: accounts, listings, submissions and the ledger"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SOURCES = ("link", "mturk", "prolific", "simulated")


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    _make_accounts()
    _make_listings()
    _make_submissions()
    _make_payments()


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in ("payment", "submission", "listing", "marketplace_account"):
        op.drop_table(table)


def _make_accounts() -> None:
    op.create_table(
        "marketplace_account",
        _one_of("marketplace", *SOURCES, nullable=False),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_hook_secret", sa.LargeBinary(), nullable=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("owner", "workspace", "currency")),
        _refers_to("staff", "connected_by", of="marketplace_account"),
        _moment("connected_at", now=True),
        _moment("event_at"),
        sa.PrimaryKeyConstraint("marketplace", name=op.f("pk__marketplace_account")),
    )


def _make_listings() -> None:
    op.create_table(
        "listing",
        _id(),
        _refers_to("study", "study_id", of="listing", nullable=False),
        _one_of("marketplace", *SOURCES, nullable=False),
        sa.Column("reference", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("reward", sa.BigInteger(), nullable=False),
        sa.Column("screen_out_reward", sa.BigInteger(), nullable=True),
        sa.Column("screen_out_places", sa.Integer(), nullable=True),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("codes", postgresql.JSONB(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=True),
        sa.Column("places_wanted", sa.Integer(), nullable=False),
        sa.Column("places", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("places_taken", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _one_of("asked", "publish", "pause", "resume", "stop"),
        _one_of("state", "draft", "published", "paused", "full", "stopped"),
        sa.Column("charged", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        _refers_to("staff", "created_by", of="listing"),
        _moment("created_at", now=True),
        _moment("synced_at"),
        _check("listing", "amounts_positive", "reward > 0 AND places_wanted > 0 AND minutes > 0"),
        _check("listing", "screen_out_below_reward", "screen_out_reward < reward"),
        _check("listing", "screen_out_whole", "num_nulls(screen_out_reward, screen_out_places) IN (0, 2)"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__listing")),
        sa.UniqueConstraint("external_id", name=op.f("uq__listing__external_id")),
        sa.UniqueConstraint("reference", name=op.f("uq__listing__reference")),
        sa.UniqueConstraint("study_id", "marketplace", name=op.f("uq__listing__study_id_marketplace")),
    )


def _make_submissions() -> None:
    states = ("reserved", "active", "awaiting_review", "approved", "rejected", "returned", "timed_out")
    op.create_table(
        "submission",
        _id(),
        _refers_to("listing", "listing_id", of="submission", nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=False),
        _refers_to(
            "participant", "participant_id", of="submission", kind=sa.Uuid(), ondelete="SET NULL", index=True
        ),
        _one_of("state", *states, "screened_out", "unknown", nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        _moment("completed_at"),
        _moment("return_requested_at"),
        _one_of("verdict", "approve", "request_return", "reject"),
        sa.Column("verdict_detail", postgresql.JSONB(none_as_null=True), nullable=True),
        _refers_to("staff", "verdict_by", of="submission"),
        _moment("verdict_at"),
        _moment("told_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__submission")),
        sa.UniqueConstraint("listing_id", "external_id", name=op.f("uq__submission__listing_id_external_id")),
    )
    op.create_index("ix__submission__listing_id_state", "submission", ["listing_id", "state"])


def _make_payments() -> None:
    op.create_table(
        "payment",
        _id(),
        _refers_to("listing", "listing_id", of="payment", nullable=False),
        _refers_to("submission", "submission_id", of="payment", index=True),
        sa.Column("key", sa.String(), nullable=False),
        _one_of("kind", "reward", "screen_out", "bonus", "fee", "tax", nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        _one_of("state", "intended", "sent", "confirmed", "cancelled", nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("batch", sa.String(), nullable=True),
        sa.Column("paid_before", sa.Integer(), nullable=True),
        _refers_to("staff", "created_by", of="payment"),
        _moment("intended_at", now=True),
        _moment("sent_at"),
        _moment("confirmed_at"),
        _check("payment", "amount_positive", "amount > 0 OR kind IN ('fee', 'tax')"),
        _check("payment", "currency_code", "length(currency) = 3"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__payment")),
        sa.UniqueConstraint("key", name=op.f("uq__payment__key")),
    )
    op.create_index("ix__payment__listing_id_state", "payment", ["listing_id", "state"])


def _id() -> sa.Column[Any]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False)


def _moment(name: str, *, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=not now)


def _one_of(name: str, *values: str, nullable: bool = True) -> sa.Column[Any]:
    kind = sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)
    return sa.Column(name, kind, nullable=nullable)


def _refers_to(
    table: str,
    name: str,
    *,
    of: str,
    kind: Any = None,
    nullable: bool = True,
    ondelete: str | None = None,
    index: bool = False,
) -> sa.Column[Any]:
    key = sa.ForeignKey(f"{table}.id", name=op.f(f"fk__{of}__{name}"), ondelete=ondelete)
    return sa.Column(name, kind or sa.BigInteger(), key, nullable=nullable, index=index)


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck__{table}__{name}"))
