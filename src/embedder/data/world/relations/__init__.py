"""What the world knows about its people, towns, works, companies, events and discoveries, and how it is said."""
