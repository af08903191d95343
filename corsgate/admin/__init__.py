"""The gate's status, metrics and health, for people and programs on its machine."""
