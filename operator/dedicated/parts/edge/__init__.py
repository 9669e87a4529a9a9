"""Ways in to an instance, as adapters of one interface (`entry.Entry`)."""
