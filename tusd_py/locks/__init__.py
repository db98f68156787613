"""
One writer per upload.

A hold is exclusive, and whoever has it can be asked to let go: a client whose line dropped comes
back while its old connection still looks alive, and the newest request has to win at once.
"""
