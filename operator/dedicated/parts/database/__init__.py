"""Database engines, as adapters of one interface (`engine.Adapter`)."""
