"""
The commit.

An offset counts once it is committed here, and it is committed only after the data store has made
the bytes before it durable. A commit that was reported survives a power cut.
"""
