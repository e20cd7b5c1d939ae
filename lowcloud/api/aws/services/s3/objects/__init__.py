"""Operations on objects, one module per kind of operation."""
