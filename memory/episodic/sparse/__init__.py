"""Reading a memory of many slots: the best few are searched for, and only those are encoded and attended to."""
