"""Real processes, a real server, faults at random moments, and a ledger outside Redis: what became of every job."""
