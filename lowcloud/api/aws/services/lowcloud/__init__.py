"""Operations that Lowcloud has beyond those of AWS: a service with a model of its own, in the manner of AWS."""
