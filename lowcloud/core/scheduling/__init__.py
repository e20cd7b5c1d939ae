"""Which jobs start when: the queue, the capacity of the machine, warm pools."""
