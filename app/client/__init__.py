"""The reference phone: records without signal, synchronises with it; an example for apps, and apart from the server."""
