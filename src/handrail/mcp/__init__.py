"""MCP: the proxy in front of a server, what pins its tools, and what asks it for them."""
