"""Operations that list the content of a bucket."""
