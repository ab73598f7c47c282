"""Running models: leases, processes, reconcile, supervisor."""
