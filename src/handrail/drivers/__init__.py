"""The only I/O loops: the flow driven blocking and async. `host` turns commands into store steps for both."""
