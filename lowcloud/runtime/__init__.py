"""What runs inside a replica; it sees the outside only through lowcloud.contract."""
