"""
The protocol decides: headers in, decision out.

No I/O, no clock, no randomness, no aiohttp: everything here can be tested with plain values.
A request is *parsed* (`requests`), *decided* against the upload as it stands (`rules`), and its
outcome *described* (`responses`). The text of every MUST stands beside the line that keeps it.
"""
