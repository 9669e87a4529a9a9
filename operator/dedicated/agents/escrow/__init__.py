"""The key bundle's writer: it packs what it finds mounted, seals it to the recipients, puts it, and ends."""
