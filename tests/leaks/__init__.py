"""No secret is in anything that the gate writes, shows or sends, in whatever form."""
