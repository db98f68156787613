"""
Examines a tus server through whatever stands in front of it, from where clients stand.

It knows HTTP down to the bytes and tus, and nothing of this server: what it finds holds for any.
Each check asks one thing; each finding has a code, for which `remedies` has the line to change. No
wait is without an end, and uploads are removed again where the server lets clients do that.
"""
