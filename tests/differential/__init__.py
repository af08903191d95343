"""The whole gate over sockets in memory: what it does must not depend on what it remembers."""
