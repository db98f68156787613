"""
Bytes become durable.

What `write` was given counts for nothing until `flush` has returned; what was flushed survives a
power cut. Space that is reserved, and bytes beyond the committed offset, are overwritten by the
next append.
"""
