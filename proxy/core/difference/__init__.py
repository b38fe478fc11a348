"""What does a change of policies change: who may more than before, who less, and where.

Rules are not compared as they are written. Both sets decide, for somebody of each
name that documents have and in a namespace for each name and pattern, and what they
decide otherwise is told. What only moves to another file or line changes nothing.

`findings` is what there is to tell, `comparing` finds it between the two `sides`, in
`views` of one persona at a time, and `places` says where it is so. `spans` is about what
goes by all that somebody is granted, `notes` about what changes nothing for anybody.
"""

from proxy.core.difference.comparing import compare
from proxy.core.difference.findings import Because, Change, Finding, Left, Place
from proxy.core.difference.notes import notes
from proxy.core.difference.sides import TooMuchError

__all__ = ["Because", "Change", "Finding", "Left", "Place", "TooMuchError", "compare", "notes"]
