"""
Others are asked before, and told after.

What they are told was committed together with what happened: it arrives at least once, and in
order for each upload.
"""
