"""The limiter: HAProxy in the way of everything that comes in; its configuration and its objects."""
