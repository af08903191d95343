"""What the gate shows of itself to programs on its own machine: status, metrics, health."""
