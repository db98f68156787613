"""
4a. WHAT MAY STAY: complete uploads are looked at before they count as finished.

A check that cannot say at the moment is asked again later; until then the upload is neither read
nor published.
"""
