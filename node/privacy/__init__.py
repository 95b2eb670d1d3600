"""Sealed payloads: documents and terms that only their recipients can read, kept by custodians as ciphertext."""
