"""Tables of programs: the images that users have registered."""

from sqlalchemy import JSON, Column, Float, String, Table

from lowcloud.store.db.tables.schema import metadata

images = Table(
    "images",
    metadata,
    Column("name", String(512), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("specification", JSON, nullable=False),  # programs.images.Image as JSON
)
