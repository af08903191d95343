"""The benchmark of `make bench`: the gate and its peers under the same loads, in turn."""
