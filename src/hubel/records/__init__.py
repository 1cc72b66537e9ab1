"""Run folders read back: the ledger, a run's own data, the nets and pictures that a command names."""
