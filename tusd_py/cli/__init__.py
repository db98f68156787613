"""
The command line, `tusd-py`: people and scripts run the server, look after its uploads, and send.

Results go to stdout, everything else to stderr; `--json` makes stdout one JSON document. The exit
code is 0 for success, 1 for failure, 2 for a wrong command line and 130 after Ctrl-C.
"""
