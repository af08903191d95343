"""The process around the gate: signals, standard output, descriptors, start and end."""
