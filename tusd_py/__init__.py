"""
A resumable-upload server that speaks tus 1.0.0.

An offset that a client has been told is never lost: its bytes are durable before the state
store commits it, and the commit is durable before the answer leaves.
"""

__version__ = "0.1.0"
