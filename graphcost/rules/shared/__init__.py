"""What rules share: nothing here registers an operator."""
