"""What trade-finance officers do, below the doors: messages, drafts and approvals, credits, invoices, documents."""
