"""What kubectl runs to get a token: a client-go credential plugin.

`protocol` is what client-go says and hears, `ways` who logs in and how, `kept` which
token of before still does, `cache` where it lies, `renewal` asks the IAM for another,
`call` is one run of the plugin from its beginning to its end.

kubectl waits for it each time, so only `renewal` loads what talks to a network.
"""
