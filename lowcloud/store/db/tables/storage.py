"""Tables of the object store. Keys are compared byte by byte, which is the default of SQLite."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from lowcloud.store.db.tables.schema import metadata

_KEY = String().with_variant(String(collation="C"), "postgresql")

buckets = Table(
    "buckets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("region", String(32), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("versioning", String(16)),  # "enabled" or "suspended"; null: never enabled
    Column("encryption", Text),  # JSON: the default for new objects; null: {"algorithm": "AES256"}
    Column("object_lock", Text),  # JSON: {} or the default retention of new objects; null: not enabled
    Column("notifications", Text),  # JSON: the rules of which events to record; null: none
)

bucket_configurations = Table(
    "bucket_configurations",
    metadata,
    Column("bucket", ForeignKey("buckets.name", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("modified_at", Float, nullable=False),
)

object_events = Table(
    "object_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("bucket", String(63), nullable=False),  # may have been deleted
    Column("key", _KEY, nullable=False),
    Column("version", String(32)),  # null: the bucket was never versioned
    Column("kind", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    sqlite_autoincrement=True,  # the id of a deleted event is never reused
)

access_lists = Table(
    "access_lists",
    metadata,
    Column("bucket", ForeignKey("buckets.name", ondelete="CASCADE"), primary_key=True),
    Column("key", _KEY, primary_key=True),
    Column("object", String(32), primary_key=True),  # objects.id or uploads.id: a replacement has another list
    Column("document", JSON, nullable=False),
)

# Every version of every key, the newest of a key first (`position` grows with age). Prepared statements write and read
# objects, so each column has a type that the driver takes without conversion.
objects = Table(
    "objects",
    metadata,
    Column("bucket", ForeignKey("buckets.name"), primary_key=True),
    Column("key", _KEY, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("version", String(32), nullable=False),  # its id, or "null": written while the bucket was not versioned
    Column("id", String(32), nullable=False),  # identifies the content; owns rows of `parts`, or a row of `contents`
    Column("is_marker", Boolean, nullable=False),  # a delete marker
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("storage_class", String(32)),  # null: STANDARD
    Column("checksum", String(128)),  # "ALGORITHM value", as core.storage.objects.checksums writes it
    Column("parts", Integer),  # null: not a multipart upload
    Column("retention", String(16)),  # "governance" or "compliance", until:
    Column("retain_until", Float),
    Column("legal_hold", Boolean),  # null: never set
    Column("wrapped_key", LargeBinary),  # of the row of `contents`; null: the bytes are those of `parts`
    Column("document", LargeBinary, nullable=False),  # encrypted: headers, user metadata, tags, encryption
    sqlite_with_rowid=False,
)

contents = Table(
    "contents",
    metadata,
    Column("id", String(32), primary_key=True),  # objects.id
    Column("sealed", LargeBinary, nullable=False),  # one encrypted record
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),  # becomes the object's id when the upload is completed
    Column("bucket", ForeignKey("buckets.name"), nullable=False),
    Column("key", _KEY, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("storage_class", String(32)),
    Column("algorithm", String(16), nullable=False),
    Column("is_composite", Boolean, nullable=False),
    Column("retention", String(16)),
    Column("retain_until", Float),
    Column("legal_hold", Boolean),
    Column("document", LargeBinary, nullable=False),  # like objects.document
    Index("uploads_of_bucket", "bucket", "key", "id"),
)

parts = Table(
    "parts",
    metadata,
    Column("owner", String(32), primary_key=True),  # objects.id or uploads.id
    Column("number", Integer, primary_key=True),
    Column("blob", String(32), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("etag", String(32), nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("checksum", String(128)),  # by the upload's algorithm, base64; null for the one part of a plain object
    sqlite_with_rowid=False,
)
