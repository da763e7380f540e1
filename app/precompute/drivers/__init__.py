"""Getting pieces of stages done: in this process or on Ray's workers. Knows no stage."""
