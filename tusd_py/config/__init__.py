"""
What can be set, how people write it, and where each value came from.

`model` types every setting; `load` merges defaults, file, environment and flags, and refuses what
it does not know; `units` reads and writes sizes and times; `documentation` writes the tables.
"""
