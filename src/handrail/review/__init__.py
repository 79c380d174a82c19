"""A person in the loop: tickets and grants decided, keys that sign, and the chain that a reviewer sees."""
