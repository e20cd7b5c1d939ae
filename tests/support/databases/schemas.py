"""Everything that a database knows of its tables, to compare databases that were created in different ways."""

import re

from sqlalchemy import Connection

COLUMNS = """
SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, collname, attstorage,
  pg_get_expr(adbin, adrelid)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_collation ON pg_collation.oid = attcollation
  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace
"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
SEQUENCES = "SELECT sequencename, data_type::text, start_value FROM pg_sequences WHERE schemaname = current_schema()"


def schema_of(connection: Connection) -> set[tuple[object, ...]]:
    """One tuple for each column, constraint, index and whatever else there is; the order of columns does not matter."""
    if connection.dialect.name == "sqlite":
        made = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(name, part) for name, sql in made for part in _parts(sql)}
    queries = (COLUMNS, CONSTRAINTS, INDEXES, SEQUENCES)
    return {(number, *row) for number, query in enumerate(queries) for row in connection.exec_driver_sql(query)}


def _parts(sql: str) -> list[str]:
    """A statement that makes a table, by columns, constraints and options; any other as a whole."""
    plain = " ".join(sql.replace('"', "").split())
    table = re.fullmatch(r"CREATE TABLE \w+ \((.*)\)([^)]*)", plain)
    if table is None:
        return [plain]
    parts, depth = [""], 0
    for sign in table[1]:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [*(part.strip() for part in parts), f"options:{table[2]}"]
