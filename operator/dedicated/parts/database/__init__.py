"""Database engines. So far `external`: somebody else runs it, the operator reads its Secret."""
