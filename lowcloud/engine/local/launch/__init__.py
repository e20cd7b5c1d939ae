"""How the supervisor of a replica is launched: its launch spec, isolation, containers and processes."""
