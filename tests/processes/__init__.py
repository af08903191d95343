"""The daemon as a user runs it, in processes of its own: through starts, failures and ends."""
