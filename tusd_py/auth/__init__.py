"""
Whose request it is, and what they may do.

Every request is asked about before a byte of its body is read. Where that cannot be found out, it
is told to come back: nobody loses an upload because some other service is down.
"""
