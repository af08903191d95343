"""The benchmark of `make bench`: measure the gate and its peers in turn, under the same loads."""
