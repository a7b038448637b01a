"""How fast, compared with what: the app over a full PostgreSQL beside a bare route, in one run."""
